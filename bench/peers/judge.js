/**
 * Judges a journal in the order it was written: lines `begin KEY N PID`, `end KEY N PID`, `fail KEY N PID`, and
 * `stopped PID` for a process that was killed or put to sleep.
 * overtaken: begins of an event while an earlier one of its key has not ended yet, and none of the key runs.
 * atOnce: begins while another event of the key runs, in a process that is awake. repeated: begins of an event that had
 * ended. late: ends, after a process woke up, of an event that had ended elsewhere meanwhile. missing: never ended.
 */
export function judge(lines, events) {
  const found = { overtaken: 0, atOnce: 0, repeated: 0, late: 0, missing: events };
  const keys = new Map();
  for (const line of lines) {
    const [what, ...rest] = line.split(' ');
    if (what === 'stopped') {
      for (const { running } of keys.values())
        for (const run of running) if (run.endsWith(` ${rest[0]}`)) running.delete(run);
      continue;
    }
    const [key, n, pid] = rest;
    const state = keys.get(key) ?? { ended: new Set(), running: new Set(), through: 0 };
    keys.set(key, state);
    note(found, state, { what, number: Number(n), run: `${n} ${pid}` });
  }
  return found;
}

function note(found, state, { what, number, run }) {
  const { ended, running } = state;
  if (what === 'begin') {
    if (ended.has(number)) found.repeated += 1;
    else if (running.size > 0) found.atOnce += 1;
    else if (number > state.through + 1) found.overtaken += 1;
    running.add(run);
    return;
  }
  const wasAwake = running.delete(run);
  if (what === 'fail') return;
  if (ended.has(number)) {
    if (!wasAwake) found.late += 1;
    return;
  }
  ended.add(number);
  found.missing -= 1;
  while (ended.has(state.through + 1)) state.through += 1;
}
