import type { CanActivate } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { type HandlerCall, hostOf } from './handler-call.js';
import type { PipelineArgs } from './execution-host.js';

/** As Nest says it. */
const FORBIDDEN = 'Forbidden resource';

/** Asks one guard after the other, until one refuses. Rejects with its error, or with the refusal as Nest words it. */
export async function askGuards(
  guards: readonly CanActivate[],
  call: HandlerCall,
  args: PipelineArgs,
): Promise<void> {
  const host = hostOf(call, args);
  for (const guard of guards) {
    const answer: unknown = guard.canActivate(host);
    const allows = typeof answer === 'boolean' ? answer : await valueOf(answer);
    // As Nest: any value that counts as true.
    if (!allows) throw new RpcException(FORBIDDEN);
  }
}

async function valueOf(answer: unknown): Promise<unknown> {
  const value = await answer;
  return isObservable(value) ? lastValueFrom(value) : value;
}
