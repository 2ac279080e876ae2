/** The command line asks for what there is not. */
export class UsageError extends Error {}

/**
 * The rules that `--sabotage` names, separated by commas, or all there are. Undefined if it names none.
 * @throws UsageError
 */
export function rulesNamed<R extends string>(
  sabotages: Readonly<Record<R, unknown>>,
  named: string | undefined,
): readonly R[] | undefined {
  const known = Object.keys(sabotages) as R[];
  if (named === undefined || named === 'all') return named === undefined ? undefined : known;
  return named.split(',').map((name) => {
    const rule = known.find((one) => one === name);
    if (rule !== undefined) return rule;
    throw new UsageError(`no rule ${name} to sabotage; there are ${known.join(', ')}`);
  });
}
