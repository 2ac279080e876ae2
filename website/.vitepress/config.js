import { join } from 'node:path';
import { defineConfig } from 'vitepress';
import { BASE } from '../build/base.js';
import { sidebarOf } from '../build/sidebar.js';

const pages = join(import.meta.dirname, '../pages');

export default defineConfig({
  title: 'aggregate-transport',
  description: 'An ordered event transport for NestJS on NATS JetStream',
  lang: 'en',
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
    sidebar: sidebarOf(pages).map((section, index) => ({ ...section, collapsed: index > 1 })),
  },
});

/** As GitHub makes it, so that links work in the repository and in the site alike. */
function anchorOf(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
