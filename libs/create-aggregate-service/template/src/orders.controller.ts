import { Body, Controller, Get, HttpCode, NotFoundException, Param, Post } from '@nestjs/common';
import { OrdersPublisher } from './orders.publisher.js';
import type { Added, Closed, Opened } from './orders.topic.js';
import { OrdersView } from './orders.view.js';

/** The HTTP side: each call answers when its event is stored. */
@Controller('orders')
export class OrdersController {
  constructor(
    private readonly publisher: OrdersPublisher,
    private readonly view: OrdersView,
  ) {}

  @Post(':id/open')
  @HttpCode(202)
  async open(@Param('id') id: string, @Body() payload: Opened): Promise<{ stored: number }> {
    return { stored: (await this.publisher.open(id, payload)).sequence };
  }

  @Post(':id/add')
  @HttpCode(202)
  async add(@Param('id') id: string, @Body() payload: Added): Promise<{ stored: number }> {
    return { stored: (await this.publisher.add(id, payload)).sequence };
  }

  @Post(':id/close')
  @HttpCode(202)
  async close(@Param('id') id: string, @Body() payload: Closed): Promise<{ stored: number }> {
    return { stored: (await this.publisher.close(id, payload)).sequence };
  }

  @Get(':id')
  find(@Param('id') id: string): { owner: string; total: number; closed?: string } {
    const entry = this.view.find(id);
    if (entry === undefined) throw new NotFoundException(`no event of ${id} was handled yet`);
    const { owner, total, closed } = entry;
    return { owner, total, ...(closed === undefined ? {} : { closed }) };
  }
}
