/** Bounded in number: topics, groups, partitions, stages. Never an aggregate or an event. */
export type MetricAttributes = Readonly<Record<string, string>>;

export interface InstrumentOptions {
  readonly description: string;
  readonly unit: string;
  readonly advice?: { explicitBucketBoundaries: number[] };
}

/** Where an instrument is told its values when it is read. */
export interface ObservableResult {
  /** Tells one value. */
  observe(value: number, attributes: MetricAttributes): void;
}

export type ObservableCallback = (result: ObservableResult) => void | Promise<void>;

export interface ObservableInstrument {
  addCallback(callback: ObservableCallback): void;
  removeCallback(callback: ObservableCallback): void;
}

export interface DurationHistogram {
  record(value: number, attributes: MetricAttributes): void;
}

/**
 * What we use of a meter: a part of OpenTelemetry's `Meter`, which `metrics.getMeter('…')` of `@opentelemetry/api`
 * gives. Anything of this shape will do; the library depends on neither.
 */
export interface Meter {
  /** For durations, in seconds. */
  createHistogram(name: string, options: InstrumentOptions): DurationHistogram;
  /** For counts that only grow. */
  createObservableCounter(name: string, options: InstrumentOptions): ObservableInstrument;
  /** For values of a moment. */
  createObservableGauge(name: string, options: InstrumentOptions): ObservableInstrument;
}
