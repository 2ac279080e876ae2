/** Polls until the condition holds; fails with `what` after the bound, which ends what hangs and measures nothing. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > until)
      throw new Error(`expected ${what} within ${withinMs} ms, but it never was`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
