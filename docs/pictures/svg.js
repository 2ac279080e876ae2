// What the pictures have in common: colours for light and dark, text, and motion that stands still where it is not
// wanted.
const COLOURS = {
  light: {
    ...{ ground: '#ffffff', panel: '#f6f8fa', line: '#d0d7de', text: '#1f2328', quiet: '#59636e' },
    ...{ event: '#ddf4ff', edge: '#0969da', good: '#1a7f37', bad: '#cf222e', badGround: '#ffebe9' },
  },
  dark: {
    ...{ ground: '#0d1117', panel: '#151b23', line: '#3d444d', text: '#f0f6fc', quiet: '#9198a1' },
    ...{ event: '#121d2f', edge: '#4493f8', good: '#3fb950', bad: '#f85149', badGround: '#25171c' },
  },
};

const variables = (colours) =>
  Object.entries(colours)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

export const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** A picture that is read aloud as its title and description. */
export function picture({ width, height, title, description, css = '', body }) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">
<title id="title">${escape(title)}</title>
<desc id="description">${escape(description)}</desc>
<style>
svg{${variables(COLOURS.light)}}
@media (prefers-color-scheme:dark){svg{${variables(COLOURS.dark)}}}
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:var(--text)}
${css}
</style>
<rect width="${width}" height="${height}" rx="8" fill="var(--ground)"/>
${body}
</svg>
`;
}

/**
 * CSS that moves one thing through `steps`, each `[second, properties]`. Between two steps of different properties it
 * glides. Without motion the thing stands as its last step says.
 */
export function motion(id, seconds, steps) {
  const last = steps.at(-1)[1];
  const frames = steps.map(([at, properties]) => `${((at / seconds) * 100).toFixed(1)}%{${properties}}`);
  const held = `100%{${last}}`;
  return `#${id}{${last}}
@media (prefers-reduced-motion:no-preference){
#${id}{animation:${id} ${seconds}s ease-in-out infinite}
@keyframes ${id}{${frames.join('')}${held}}}`;
}

/** The same, standing still in every browser. */
export function withoutMotion(css) {
  return css.replace(/@media \(prefers-reduced-motion:no-preference\)\{[\s\S]*?\}\}\}/g, '');
}
