import { Controller, Get } from '@nestjs/common';
import { Witness, type WitnessReport } from './witness.js';

@Controller('witness')
export class WitnessController {
  constructor(private readonly witness: Witness) {}

  @Get()
  report(): WitnessReport {
    return this.witness.report();
  }

  @Get('handled')
  handled(): { handled: number } {
    return { handled: this.witness.handled };
  }
}
