import { Injectable } from '@nestjs/common';

/** A service of another team: takes its time, and sometimes fails. `GATEWAY_MAX_MS` and `GATEWAY_FAILURES` set how. */
@Injectable()
export class PaymentGateway {
  readonly #maxMs = Number(process.env['GATEWAY_MAX_MS'] ?? 0);
  readonly #failures = Number(process.env['GATEWAY_FAILURES'] ?? 0);

  /** Reports something to the gateway. Fails on a share of first attempts. */
  async call(attempt: number): Promise<void> {
    if (this.#maxMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * this.#maxMs));
    if (attempt === 1 && Math.random() < this.#failures) throw new Error('the payment gateway is busy');
  }
}
