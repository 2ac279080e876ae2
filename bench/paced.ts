/**
 * Calls `send` at a steady rate until all are sent: each turn as many as are due. An even pace on the clock, not in the
 * calls: a publisher that waits for its own answers would slow down with what it measures (coordinated omission).
 */
export function paced(perSecond: number, total: number, send: (index: number) => void): Promise<void> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let sent = 0;
    const turn = (): void => {
      const due = Math.min(total, Math.floor(((performance.now() - startedAt) * perSecond) / 1_000) + 1);
      while (sent < due) send(sent++);
      if (sent === total) resolve();
      else setTimeout(turn, 1);
    };
    turn();
  });
}

/**
 * Calls `send` at a steady rate until the function it returns is called, which tells how many were sent. While there is no
 * room it waits, and then catches up.
 */
export function pacedUntilStopped(
  perSecond: number,
  hasRoom: (sent: number) => boolean,
  send: (index: number) => void,
): () => number {
  const startedAt = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000) + 1;
    while (sent < due && hasRoom(sent)) send(sent++);
  }, 1);
  return () => {
    clearInterval(timer);
    return sent;
  };
}
