/**
 * Polls until the condition holds; fails with `what` after the bound. That ends what hangs. Where the time is promised,
 * give the bound of the promise and a fair clock.
 */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 60_000,
  now = (): number => performance.now(),
): Promise<void> {
  const until = now() + withinMs;
  while (!(await condition())) {
    if (now() > until) throw new Error(`expected ${what} within ${withinMs} ms, but it never was`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
