import { type DynamicModule, Module } from '@nestjs/common';
import { ServiceDatabase } from './service-database.js';

/** Makes the service's database injectable everywhere in it. */
@Module({})
export class DatabaseModule {
  static with(...tables: readonly string[]): DynamicModule {
    const useFactory = (): Promise<ServiceDatabase> => ServiceDatabase.open(tables.join('\n'));
    return {
      module: DatabaseModule,
      global: true,
      providers: [{ provide: ServiceDatabase, useFactory }],
      exports: [ServiceDatabase],
    };
  }
}
