import { createHash } from 'node:crypto';
import { pageFile } from '../../collector/server/page-files.ts';
import type { ShownRelease } from '../trace/model/shown.ts';

/**
 * A release as one self-contained page of HTML: it opens from a disk, without a network.
 *
 * @param store URL to which its links to traces lead
 */
export function releasePage(shown: ShownRelease, store: URL): string {
  const style = pageFile('style.css').toString();
  const script = pageFile('main.js').toString();
  const icon = pageFile('icon.svg').toString('base64');
  const policy = `default-src 'none'; img-src data:; style-src ${hashOf(style)}; script-src ${hashOf(script)}; base-uri 'none'; form-action 'none'`;
  // A trace may contain anything; JSON without a `<` cannot end its element.
  const data = JSON.stringify({ ...shown, store: store.href.replace(/\/*$/, ''), at: Date.now() }).replaceAll(
    '<',
    '\\u003c',
  );
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta http-equiv="content-security-policy" content="${policy}" />
    <meta name="referrer" content="no-referrer" />
    <title>lossless</title>
    <link rel="icon" href="data:image/svg+xml;base64,${icon}" />
    <style>${style}</style>
  </head>
  <body>
    <noscript>This page needs JavaScript. <code>lossless verify</code> prints the same facts.</noscript>
    <div id="page"></div>
    <script type="application/json" id="release">${data}</script>
    <script type="module">${script}</script>
  </body>
</html>
`;
}

/** The source expression of a content security policy that allows this text. */
function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
