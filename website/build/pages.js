// Gathers the pages of the site from the repository, and leads their links to where those pages stand in the site.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join, posix, relative } from 'node:path';

/** Pages outside of docs, and where they stand in the site. */
const OTHERS = {
  'README.md': 'readme.md',
  'CHANGELOG.md': 'changelog.md',
  'CONTRIBUTING.md': 'contributing.md',
  'CODE_OF_CONDUCT.md': 'code-of-conduct.md',
  'SECURITY.md': 'security-policy.md',
  'bench/README.md': 'bench.md',
  'examples/README.md': 'examples.md',
};
const IMAGES = new Set(['.svg', '.png', '.jpg', '.gif', '.webp']);
/** Larger files of a folder are only named, in bytes. */
const LARGEST_SOURCE = 100_000;
/** The target of a link or an image of Markdown, or of an attribute of HTML; none that leads out of the repository. */
/** What the build puts beside the pages of docs. */
const MADE = new Set(['docs/playground/index.html']);
const LINK = /(?<=\]\(|(?:href|src|srcset)=")(?!https?:|mailto:|#|\/)[^)"\s]+(?=[)"])/g;

/** Every Markdown file of a folder, by its path from the repository's root. */
function markdownUnder(root, folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((path) => path.endsWith('.md'));
}

/** Where each page of the repository stands in the site. */
function siteMap(root) {
  const docs = markdownUnder(root, 'docs').map((path) => [
    path,
    path.slice('docs/'.length).replace(/(^|\/)README\.md$/, '$1index.md'),
  ]);
  const others = Object.entries(OTHERS).filter(([path]) => existsSync(join(root, path)));
  return new Map([...docs, ...others]);
}

/** Code blocks stand as they are; everything else is given to `change`. */
function outsideOfCode(text, change) {
  return text
    .split(/(^```[\s\S]*?^```$)/m)
    .map((piece, index) => (index % 2 === 1 ? piece : change(piece)))
    .join('');
}

/** Writes all pages to `target`, and copies the sources that they link to beside them, as plain text. */
export class Pages {
  #map;
  #copied = new Set();

  constructor(root, target) {
    this.root = root;
    this.target = target;
    this.#map = siteMap(root);
  }

  write() {
    rmSync(this.target, { recursive: true, force: true });
    for (const [path, page] of this.#map) {
      const text = readFileSync(join(this.root, path), 'utf8');
      const led = outsideOfCode(text, (piece) => this.#lead(piece, path, page));
      const file = join(this.target, page);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, led);
    }
    return [...this.#map.values()];
  }

  #lead(piece, path, page) {
    return piece.replace(LINK, (link) => this.#ledTo(link, path, page));
  }

  /** The link of a page in the site for the one of its page in the repository. */
  #ledTo(link, path, page) {
    const [file, anchor] = link.split('#');
    const target = posix.normalize(posix.join(posix.dirname(path), decodeURI(file))).replace(/\/$/, '');
    const hash = anchor === undefined ? '' : `#${anchor}`;
    const place = this.#map.get(target) ?? this.#map.get(`${target}/README.md`);
    if (place !== undefined) return relativeTo(page, place) + hash;
    if (MADE.has(target)) return link;
    const absolute = join(this.root, target);
    if (!existsSync(absolute)) throw new Error(`${path} links to ${link}, and there is no ${target}`);
    if (IMAGES.has(extname(target))) return relativeTo(page, this.#copyImage(target));
    // Of the site's public files, so not one of those that VitePress follows.
    return relativeTo(page, this.#copySource(target));
  }

  #copyImage(path) {
    const place = posix.join('images', path.replaceAll('/', '-'));
    if (!this.#copied.has(place)) {
      mkdirSync(join(this.target, 'images'), { recursive: true });
      cpSync(join(this.root, path), join(this.target, place));
      this.#copied.add(place);
    }
    return place;
  }

  /** A source as plain text, which any browser shows; a folder as a list of what is in it. */
  #copySource(path) {
    const isFolder = statSync(join(this.root, path)).isDirectory();
    const place = posix.join('source', isFolder ? `${path}/list.html` : `${path}.txt`);
    if (this.#copied.has(place)) return place;
    this.#copied.add(place);
    const file = join(this.target, 'public', place);
    mkdirSync(dirname(file), { recursive: true });
    if (isFolder) writeFileSync(file, this.#listOf(path, place));
    else cpSync(join(this.root, path), file);
    return place;
  }

  #listOf(path, place) {
    const items = readdirSync(join(this.root, path))
      .filter((name) => !['node_modules', 'dist'].includes(name) && !name.startsWith('.'))
      .map((name) => {
        const size = statSync(join(this.root, path, name)).size;
        if (size > LARGEST_SOURCE) return `<li>${name}</li>`;
        const there = relative(dirname(place), this.#copySource(posix.join(path, name))).replaceAll(
          '\\',
          '/',
        );
        return `<li><a href="${there}">${name}</a></li>`;
      });
    return (
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${path}</title>` +
      '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">' +
      `</head><body><h1>${path}</h1><ul>${items.join('')}</ul></body></html>\n`
    );
  }
}

function relativeTo(page, place) {
  const path = posix.relative(posix.dirname(page), place);
  return path.startsWith('.') ? path : `./${path}`;
}
