import { readFileSync } from 'node:fs';

/** Example values of a file of `deploy/`, and their replacements. */
export type Values = Readonly<Record<string, string>>;

const DEPLOY = new URL(import.meta.url.endsWith('.ts') ? '../../../deploy/' : '../../../../deploy/', import.meta.url);

/** A file of `deploy/` with its example values replaced, one after the other. @throws Error for a value that is not in the file */
export function template(name: string, values: Values = {}): string {
  return replaced(readFileSync(new URL(name, DEPLOY), 'utf8'), values);
}

/** A configuration of nginx that writes only below this directory. */
export function nginxIn(directory: string, text: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (part) => `${part}_temp_path ${directory}/${part};`,
  );
  return replaced(text, {
    '/run/nginx.pid': `${directory}/nginx.pid`,
    '/var/log/nginx': directory,
    'http {': `http { ${temporary.join(' ')}`,
  });
}

function replaced(text: string, values: Values): string {
  return Object.entries(values).reduce((changed, [example, value]) => {
    if (!changed.includes(example)) throw new Error(`expected ${example} in the configuration\n${changed}`);
    return changed.replaceAll(example, value);
  }, text);
}
