// Makes a built site work from any folder of any host. VitePress wants one absolute base, so the site is built for a
// name that nothing else has, and each place of that name then becomes the folder that the site was opened from.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** The base that the site is built for. */
export const BASE = '/__site__/';

/** What the folder of the site is called while it runs. */
const HERE = 'self.__site__';

export function makeRelative(folder) {
  for (const name of readdirSync(folder, { recursive: true })) {
    const path = name.replaceAll('\\', '/');
    if (/\.(?:html|js|css)$/.test(path) && !path.startsWith('source/') && !path.startsWith('playground/')) {
      const file = join(folder, path);
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, path.endsWith('.html') ? ofHtml(text, path) : ofAsset(text, path));
    }
  }
}

function upFrom(path) {
  const up = posix.relative(posix.dirname(path), '.');
  return up === '' ? './' : `${up}/`;
}

/** What stands before it in the site's data: a script gives those the folder, see below. */
const IN_DATA = String.raw`\"base\":\"`;

/**
 * Every address is relative in the file, be it of a link, of an image, in a `srcset` or a style, so the page reads well
 * without scripts. A script makes links absolute before the application starts: it goes from page to page without
 * loading any, and relative ones would lead astray.
 */
function ofHtml(text, path) {
  const up = upFrom(path);
  const head = `<script>${HERE}=new URL(${JSON.stringify(up)},location).pathname</script>`;
  const tail =
    '<script>for(const a of document.querySelectorAll("#app a[href]"))' +
    'if(a.origin===location.origin)a.setAttribute("href",a.pathname+a.hash);' +
    `if(self.__VP_SITE_DATA__)__VP_SITE_DATA__.base=${HERE}</script>`;
  return text
    .split(IN_DATA + BASE)
    .map((part) => part.replaceAll(BASE, up))
    .join(IN_DATA + BASE)
    .replace('<head>', `<head>${head}`)
    .replace('</body>', `${tail}</body>`);
}

function ofAsset(text, path) {
  if (path.endsWith('.css')) return text.replaceAll(BASE, upFrom(path));
  // The index of the search is one long text in single quotes.
  if (path.includes('localSearchIndex')) return text.replaceAll(BASE, `'+${HERE}+'`);
  const led = text.replace(
    /(["'])\/__site__\/((?:(?!\1)[^\\]|\\.)*)\1/g,
    (_, quote, rest) => `(${HERE}+${quote}${rest}${quote})`,
  );
  if (led.includes(BASE))
    throw new Error(`expected ${BASE} only at the beginning of texts of ${path}, found it within one`);
  return led;
}
