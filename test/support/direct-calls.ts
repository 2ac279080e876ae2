import type { AggregateTransportOptions, ConsumeOptions } from 'nestjs-aggregate-transport';

/** How this run of the tests calls plain handlers. Child processes inherit it. */
export const directCalls = (process.env['TEST_DIRECT_CALLS'] ?? 'auto') as NonNullable<
  ConsumeOptions['directCalls']
>;

/** The options, with the way of this run. */
export function inThisWay<O extends AggregateTransportOptions>(options: O): O {
  return { ...options, consume: { directCalls, ...options.consume } };
}
