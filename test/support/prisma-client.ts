import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { pathToFileURL } from 'node:url';

/** What the tests use of a generated client. */
export interface PrismaLike {
  $transaction<T>(work: (tx: PrismaTransactionLike) => Promise<T>): Promise<T>;
  $queryRawUnsafe(sql: string, ...values: unknown[]): Promise<unknown>;
  $disconnect(): Promise<void>;
}

export type PrismaTransactionLike = Pick<PrismaLike, '$queryRawUnsafe'>;

export type PrismaClientClass = new (options: { adapter: unknown }) => PrismaLike;

const SCHEMA = `generator client {
  provider = "prisma-client-js"
  engineType = "client"
  output = "./client"
}
datasource db {
  provider = "postgresql"
  url = "postgresql://unused"
}
model Thing {
  id Int @id
}
`;

/**
 * A real Prisma client, made by its generator. The generator asks for the schema engine, which it does not use: naming
 * any program keeps it from fetching one.
 */
export async function generatedPrismaClient(): Promise<PrismaClientClass> {
  const cache = resolve('node_modules/.cache/prisma-client');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'test-'));
  const schema = join(folder, 'schema.prisma');
  await writeFile(schema, SCHEMA);
  await promisify(execFile)(
    process.execPath,
    ['node_modules/prisma/build/index.js', 'generate', '--schema', schema],
    {
      env: {
        ...process.env,
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        PRISMA_QUERY_ENGINE_LIBRARY: process.execPath,
        CHECKPOINT_DISABLE: '1',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
      },
    },
  );
  const client = (await import(pathToFileURL(join(folder, 'client/index.js')).href)) as {
    PrismaClient?: PrismaClientClass;
    default?: { PrismaClient: PrismaClientClass };
  };
  return client.PrismaClient ?? client.default!.PrismaClient;
}
