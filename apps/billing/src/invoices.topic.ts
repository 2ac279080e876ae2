import { defineTopic } from 'nestjs-aggregate-transport';

export interface InvoicePaid {
  cents: number;
}

/** What happens to an invoice. The aggregate is the invoice; its id is the order number. */
export const invoices = defineTopic<{ InvoicePaid: InvoicePaid }>('invoices');
