import { Controller, Get, Param, UseInterceptors } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { PaymentGateway } from './payment-gateway.js';
import { WitnessInterceptor } from './witness.interceptor.js';

export interface HistoryEntry {
  type: string;
  payload: unknown;
}

/** Rebuilds the history of every aggregate of the `journal` topic, of any event types. */
@Controller('history')
@UseInterceptors(WitnessInterceptor)
export class HistoryController {
  readonly #histories = new Map<string, HistoryEntry[]>();
  /** Per aggregate, the position of the last event in its history. */
  readonly #positions = new Map<string, bigint>();

  constructor(private readonly gateway: PaymentGateway) {}

  @AggregateHandler('journal')
  async append(@Payload() payload: unknown, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    if ((this.#positions.get(id) ?? 0n) >= ctx.position) return;
    await this.gateway.call(ctx.attempt);
    this.#histories.set(id, [...(this.#histories.get(id) ?? []), { type: ctx.type, payload }]);
    this.#positions.set(id, ctx.position);
  }

  @Get(':id')
  one(@Param('id') id: string): HistoryEntry[] {
    return this.#histories.get(id) ?? [];
  }
}
