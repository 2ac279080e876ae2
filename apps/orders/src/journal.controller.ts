import { Body, Controller, Post } from '@nestjs/common';
import {
  type AggregateEvent,
  AggregatePublisher,
  InjectAggregatePublisher,
} from 'nestjs-aggregate-transport';

/** Takes any event log, of any types: the topic is a plain string. */
@Controller('journal')
export class JournalController {
  constructor(@InjectAggregatePublisher('journal') private readonly journal: AggregatePublisher) {}

  @Post()
  async publishAll(@Body() events: AggregateEvent[]): Promise<{ stored: number }> {
    const receipts = await this.journal.publishAll(events);
    return { stored: receipts.length };
  }
}
