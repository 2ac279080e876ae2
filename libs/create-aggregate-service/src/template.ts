import { spellingsOf } from './names.js';

/** What a new service is made of. */
export interface ServiceChoices {
  /** Of the folder, the package and the consumer group. */
  readonly name: string;
  readonly topic: string;
  /** What package.json asks for as the library: a version, a tag, or `file:` and the path of a tarball. */
  readonly library: string;
}

/** A file of the template, or of a service, by its path below the folder. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** npm leaves `.gitignore` out of a package, and makes `.npmignore` of it. */
const RENAMED: Readonly<Record<string, string>> = { gitignore: '.gitignore' };
const TEMPLATE_NAME = 'my-service';
const WORDS = new RegExp(`${TEMPLATE_NAME}|ordersTopic|Orders|orders`, 'g');
const TEMPLATE_LIBRARY = /("nestjs-aggregate-transport": )"[^"]*"/;

/**
 * The files of a service from those of the template. The template is a service itself: `my-service`, with a topic
 * `orders`, whose value is `ordersTopic` and whose classes begin with `Orders`.
 */
export function serviceFiles(template: readonly TextFile[], choices: ServiceChoices): TextFile[] {
  const { kebab, camel, pascal } = spellingsOf(choices.topic);
  const words: Readonly<Record<string, string>> = {
    [TEMPLATE_NAME]: choices.name,
    ordersTopic: `${camel}Topic`,
    Orders: pascal,
    orders: kebab,
  };
  // One pass: a name that was put in is not searched for words of the template.
  const adapt = (text: string): string => text.replace(WORDS, (word) => words[word] ?? word);
  return template.map(({ path, text }) => ({
    path: RENAMED[path] ?? adapt(path),
    text: path === 'package.json' ? withLibrary(adapt(text), choices.library) : adapt(text),
  }));
}

function withLibrary(manifest: string, library: string): string {
  return manifest.replace(TEMPLATE_LIBRARY, (_whole, key: string) => key + JSON.stringify(library));
}
