import { parser } from '@prometheus-io/lezer-promql';

/** One selector of a query: the metrics it may take, and the labels it looks at. */
export interface Selector {
  /** A name, or the pattern of `__name__`. */
  readonly names: RegExp;
  readonly labels: readonly string[];
}

export interface Query {
  readonly selectors: readonly Selector[];
  /** By which labels it groups. */
  readonly groupedBy: readonly string[];
}

/**
 * Reads a query by the grammar of Prometheus. Variables of Grafana stand for durations and values.
 * @throws Error if it is no PromQL
 */
export function readQuery(text: string): Query {
  const query = text.replaceAll('$__rate_interval', '5m');
  const textOf = ({ from, to }: { from: number; to: number }): string => query.slice(from, to);
  const selectors: { names: RegExp | undefined; labels: string[] }[] = [];
  const groupedBy: string[] = [];
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`expected PromQL, found an error at ${node.from} of: ${query}`);
      if (node.name === 'VectorSelector') selectors.push({ names: undefined, labels: [] });
      const selector = selectors.at(-1);
      if (node.name === 'Identifier' && node.node.parent?.name === 'VectorSelector')
        selector!.names = new RegExp(`^${textOf(node)}$`);
      if (node.name === 'UnquotedLabelMatcher') {
        const [, label = '', value = ''] = /^(\w+)\s*(?:=~|!~|!=|=)\s*"(.*)"$/s.exec(textOf(node)) ?? [];
        if (label === '__name__') selector!.names = new RegExp(`^(?:${value})$`);
        else selector!.labels.push(label);
      }
      if (node.name === 'LabelName' && node.node.parent?.name === 'GroupingLabels')
        groupedBy.push(textOf(node));
    },
  });
  return {
    selectors: selectors.map(({ names, labels }) => {
      if (names === undefined)
        throw new Error(`expected a metric for each selector, found none in: ${query}`);
      return { names, labels };
    }),
    groupedBy,
  };
}
