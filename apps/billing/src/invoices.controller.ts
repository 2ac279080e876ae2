import { Controller, Get, NotFoundException, Param } from '@nestjs/common';
import { type Invoice, Invoices } from './invoices.js';

@Controller('invoices')
export class InvoicesController {
  constructor(private readonly invoices: Invoices) {}

  @Get()
  all(): Invoice[] {
    return this.invoices.all();
  }

  @Get(':id')
  one(@Param('id') id: string): Invoice {
    const invoice = this.invoices.find(id);
    if (invoice === undefined) throw new NotFoundException(`order ${id} has no invoice`);
    return invoice;
  }
}
