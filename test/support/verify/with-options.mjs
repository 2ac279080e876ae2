import { Module } from '@nestjs/common';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';

class WholeApplication {}
Module({ imports: [AggregateTransportModule.forRoot({ topics: {} })] })(WholeApplication);

export { WholeApplication as default };
