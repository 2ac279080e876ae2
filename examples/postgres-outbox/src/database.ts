import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';

export const POOL = Symbol('pool');

@Module({
  providers: [
    {
      provide: POOL,
      useFactory: () => new pg.Pool({ connectionString: process.env['DATABASE_URL'] ?? '', max: 4 }),
    },
  ],
  exports: [POOL],
})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(@Inject(POOL) private readonly pool: pg.Pool) {}

  onApplicationShutdown(): Promise<void> {
    return this.pool.end();
  }
}
