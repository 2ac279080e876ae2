import { Controller, Get, Param, UseInterceptors } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { PaymentGateway } from './payment-gateway.js';
import { WitnessInterceptor } from './witness.interceptor.js';

export interface HistoryEntry {
  sequence: number;
  type: string;
  payload: unknown;
}

/** Rebuilds the history of every aggregate of the `journal` topic, of any event types. */
@Controller('history')
@UseInterceptors(WitnessInterceptor)
export class HistoryController {
  readonly #histories = new Map<string, HistoryEntry[]>();

  constructor(private readonly gateway: PaymentGateway) {}

  @AggregateHandler('journal')
  async append(@Payload() payload: unknown, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    const history = this.#histories.get(id) ?? [];
    if ((history.at(-1)?.sequence ?? 0) >= ctx.sequence) return;
    await this.gateway.call(ctx.attempt);
    history.push({ sequence: ctx.sequence, type: ctx.type, payload });
    this.#histories.set(id, history);
  }

  @Get(':id')
  one(@Param('id') id: string): HistoryEntry[] {
    return this.#histories.get(id) ?? [];
  }
}
