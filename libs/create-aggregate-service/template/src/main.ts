import { Logger } from '@nestjs/common';
import { startApp } from './start-app.js';

const app = await startApp(Number(process.env['PORT'] ?? 3000));
new Logger('my-service').log(`listens at ${await app.getUrl()}`);
