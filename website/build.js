// Builds the site into website/dist, without the network. Everything it shows stands in the repository.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vitepress';
import { writeApi } from './build/api.js';
import { makeRelative } from './build/base.js';
import { writeLlms } from './build/llms.js';
import { Pages } from './build/pages.js';
import { sidebarOf } from './build/sidebar.js';
import { buildPlayground } from './playground/build.js';

const here = import.meta.dirname;
const root = join(here, '..');
const pages = join(here, 'pages');
const target = join(here, 'dist');

rmSync(target, { recursive: true, force: true });
new Pages(root, pages).write();
await writeApi(root, join(pages, 'api'));
await buildPlayground(join(pages, 'public', 'playground'));
writeLlms(pages, join(pages, 'public'), sidebarOf(pages));
await build(here);
makeRelative(target);
