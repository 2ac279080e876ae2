import { Global, Logger, Module } from '@nestjs/common';
import { Pool } from 'pg';

/** The pool that the recipes share. Its listeners keep a lost connection from ending the process. */
function openPool(): Pool {
  const pool = new Pool({ connectionString: process.env['DATABASE_URL'] });
  const logger = new Logger('database');
  pool.on('error', (error) => logger.warn(error.message));
  pool.on('connect', (client) => client.on('error', (error) => logger.warn(error.message)));
  return pool;
}

@Global()
@Module({ providers: [{ provide: Pool, useFactory: openPool }], exports: [Pool] })
export class DatabaseModule {}
