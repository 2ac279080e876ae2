import { ConsoleLogger, type ConsoleLoggerOptions, type LoggerService } from '@nestjs/common';

/** A line of a log: what happened, by name, in fields for programs and in a text for people. */
export interface LoggedLine {
  /** How serious it is. */
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** The name of the event. */
  readonly event: string;
  /** No payload, no credentials. */
  readonly fields: object;
  /** One line for people; decide on `event` and `fields`. */
  readonly text: string;
  /** Its stack is logged, and nothing else of it. */
  readonly stack?: string | undefined;
}

/**
 * A logger of your own that wants the fields of this library's lines has this method beside those of Nest's
 * `LoggerService`. Without it such a logger gets texts, as from Nest itself.
 */
export interface LineLogger {
  /** `context` is the part of the library that says it, such as `AggregateTransport`. */
  writeLine(line: LoggedLine, context: string): void;
}

/** The parts of nestjs-pino's loggers that are used here. Both of its loggers have them. */
interface PinoSink {
  readonly logger: Readonly<Record<LoggedLine['level'], (fields: object, text: string) => void>>;
  readonly contextName?: string;
}

/** What a console logger is made of. */
interface ConsoleSink extends LoggerService {
  readonly options?: ConsoleLoggerOptions & { readonly structuredParams?: boolean };
  readonly getJsonLogObject?: (this: ConsoleSink, message: unknown, options: unknown) => object;
}

let takesParams: boolean | undefined;

/** True if Nest's console logger prints an object after the message as parameters: since Nest 12. Prints nothing. */
function consoleTakesParams(): boolean {
  if (takesParams !== undefined) return takesParams;
  let given: readonly unknown[] = [];
  class Probe extends ConsoleLogger {
    override printMessages(...args: readonly unknown[]): void {
      given = args;
    }
  }
  new Probe({ json: true, logLevels: ['log'] }).log('', { probe: true }, 'probe');
  takesParams = given.length > 5 && given[5] !== undefined;
  return takesParams;
}

/**
 * Writes a line in the form that this logger shows with its fields. Those are Nest's console logger in JSON, loggers of
 * nestjs-pino, and loggers with `writeLine`. All others get the text alone, and so does a console in text mode.
 */
export function writeLine(sink: LoggerService, line: LoggedLine, context: string): void {
  if (isLineLogger(sink)) sink.writeLine(line, context);
  else if (isPino(sink)) writePino(sink, line, context);
  else if (isJsonConsole(sink)) writeJson(sink, line, context);
  else writeText(sink, line, context);
}

function writeText(sink: LoggerService, { level, text, stack }: LoggedLine, context: string): void {
  switch (level) {
    case 'debug':
      sink.debug?.(text, context);
      break;
    case 'info':
      sink.log(text, context);
      break;
    case 'warn':
      sink.warn(text, context);
      break;
    case 'error':
      sink.error(text, stack, context);
      break;
  }
}

function writePino(sink: PinoSink, { level, event, fields, text, stack }: LoggedLine, context: string): void {
  const { contextName = 'context' } = sink;
  const more = stack === undefined ? {} : { stack };
  sink.logger[level]({ [contextName]: context, event, ...fields, ...more }, text);
}

function writeJson(sink: ConsoleSink, line: LoggedLine, context: string): void {
  const { level, event, fields, text, stack } = line;
  const params = { event, ...fields };
  if (!consoleTakesParams() || sink.options?.structuredParams === false) {
    writeRecord(sink, line, context);
    return;
  }
  const optional: unknown[] = [params, ...(level === 'error' ? [stack, context] : [context])];
  if (level === 'error') sink.error(text, ...optional);
  else sink[level === 'info' ? 'log' : level]?.(text, ...optional);
}

/** Adds the fields to the record; before Nest 11.1 a record can take them as its message only. */
function writeRecord(sink: ConsoleSink, line: LoggedLine, context: string): void {
  const { getJsonLogObject } = sink;
  const fields = { event: line.event, ...line.fields };
  if (getJsonLogObject === undefined) {
    writeText(sink, { ...line, text: { message: line.text, ...fields } as unknown as string }, context);
    return;
  }
  const value = (message: unknown, options: unknown): object => ({
    ...fields,
    ...getJsonLogObject.call(sink, message, options),
  });
  writeText(Object.create(sink, { getJsonLogObject: { value } }) as LoggerService, line, context);
}

function isLineLogger(sink: LoggerService): sink is LoggerService & LineLogger {
  return typeof (sink as Partial<LineLogger>).writeLine === 'function';
}

function isJsonConsole(sink: LoggerService): sink is ConsoleSink {
  return sink instanceof ConsoleLogger && (sink as LoggerService as ConsoleSink).options?.json === true;
}

function isPino(sink: LoggerService): sink is LoggerService & PinoSink {
  const { logger } = sink as { readonly logger?: unknown };
  return (
    typeof logger === 'object' &&
    logger !== null &&
    ['debug', 'info', 'warn', 'error', 'setContext', 'assign'].every(
      (name) => typeof (logger as Readonly<Record<string, unknown>>)[name] === 'function',
    )
  );
}
