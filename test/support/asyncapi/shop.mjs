// The same application as an ES module, with a second module beside it.
import { Module } from '@nestjs/common';
import shop from './shop.cjs';

export const { AppModule } = shop;
export class OtherModule {}
Module({ imports: [] })(OtherModule);
