import { join } from 'node:path';
import { defineConfig } from 'vitepress';
import { BASE } from '../build/base.js';
import { sidebarOf } from '../build/sidebar.js';

/** Three lanes. */
const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path stroke="#2a8570" stroke-width="2.4" ' +
  'stroke-linecap="round" d="M2 3.5h9M2 8h12M2 12.5h6"/></svg>';
const pages = join(import.meta.dirname, '../pages');

export default defineConfig({
  title: 'aggregate-transport',
  description: 'An ordered event transport for NestJS on NATS JetStream',
  lang: 'en',
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }]],
  base: BASE,
  srcDir: 'pages',
  outDir: 'dist',
  lastUpdated: false,
  markdown: {
    anchor: { slugify: anchorOf },
    theme: { light: 'github-light', dark: 'github-dark' },
    languageAlias: { conf: 'hcl' },
  },
  vite: { logLevel: 'warn', build: { chunkSizeWarningLimit: 2_000 } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Start', link: '/index.html' },
      { text: 'Operations', link: '/operations.html' },
      { text: 'Options', link: '/reference/options.html' },
      { text: 'Errors', link: '/reference/errors.html' },
    ],
    sidebar: sidebarOf(pages),
  },
});

/** As GitHub makes it, so that links work in the repository and in the site alike. */
function anchorOf(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
