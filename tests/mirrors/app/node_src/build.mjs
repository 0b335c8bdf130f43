// The assets: what the web server serves, long enough to be worth compressing
import fs from 'node:fs';
import { createRequire } from 'node:module';

const shout = createRequire(import.meta.url)('small-shout');
fs.mkdirSync('public/packs', { recursive: true });
fs.writeFileSync('public/packs/application.js', `${shout('hello')}\n`.repeat(400));
fs.mkdirSync('public/assets', { recursive: true });
fs.writeFileSync('public/assets/500.html', '<p>broken</p>\n');
