import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterEach } from '@jest/globals';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import {
  type AggregatePublisher,
  AggregateTransportModule,
  getAggregatePublisherToken,
} from 'nestjs-aggregate-transport';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { eventually } from '../../support/eventually.js';

/** A recipe of docs/examples/recipes that runs in a process of its own. Built code: needs `npm run build`. */
export class RunningRecipe {
  output = '';
  readonly #process: ChildProcess;

  constructor(args: readonly string[], env: Record<string, string>) {
    const script = resolve('dist/test/support/recipe-service.js');
    this.#process = spawn(process.execPath, ['--enable-source-maps', script, ...args], {
      stdio: 'pipe',
      env: { ...process.env, NO_COLOR: '1', ...env },
    });
    diesWithParent(this.#process);
    const keep = (chunk: Buffer): void => {
      this.output += chunk.toString();
    };
    this.#process.stdout?.on('data', keep);
    this.#process.stderr?.on('data', keep);
  }

  /** Resolves with its address once it handles events. */
  async serves(): Promise<string> {
    await eventually('the recipe to start', () => {
      if (this.#process.exitCode !== null)
        throw new Error(`expected a service, found its end:\n${this.output}`);
      return /serves (\S+)/.test(this.output);
    });
    return /serves (\S+)/.exec(this.output)![1]!;
  }

  /** SIGKILL: nothing of it runs any more when this resolves. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill(signal);
    await exited;
  }
}

export interface Kitchen {
  /** Starts a recipe: its file's name, and `publishes` if it has no handlers. */
  readonly start: (recipe: string, env: Record<string, string>, role?: 'publishes') => Promise<RunningRecipe>;
  /** A publisher beside the recipe. */
  readonly publisher: (url: string, topic: string) => Promise<AggregatePublisher>;
  /** Keeps something that is closed after the test. */
  readonly keep: (open: { close(): unknown }) => void;
}

/** Runs recipes, and ends them after each test. Call at the top. */
export function kitchenForEach(): Kitchen {
  const recipes: RunningRecipe[] = [];
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    await Promise.all(recipes.splice(0).map((recipe) => recipe.kill()));
    for (const each of open.splice(0).reverse()) await each.close();
  });
  return {
    start: async (name, env, role) => {
      const file = `dist/docs/examples/recipes/${name}.js`;
      const recipe = new RunningRecipe(role === undefined ? [file] : [file, role], env);
      recipes.push(recipe);
      await recipe.serves();
      return recipe;
    },
    publisher: async (servers, topic) => {
      @Module({
        imports: [
          AggregateTransportModule.forRoot({ servers, topics: { [topic]: {} } }),
          AggregateTransportModule.forFeature([topic]),
        ],
      })
      class PublishingModule {}
      const app = await NestFactory.createApplicationContext(PublishingModule, { logger: false });
      open.push(app);
      return app.get<AggregatePublisher>(getAggregatePublisherToken(topic));
    },
    keep: (one) => void open.push(one),
  };
}
