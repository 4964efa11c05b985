/** A file of `deploy/` that listens at this address alone. */
export function listeningAt(text: string, { host, port }: { readonly host: string; readonly port: number }): string {
  return text
    .replace(/^( *listen) 80;/m, `$1 ${host}:${port};`)
    .replace(/^( *bind) :80$/m, `$1 ${host}:${port}`)
    .replace(/^:80 \{$/m, `:${port} {\n\tbind ${host}`)
    .replace('address: 0.0.0.0, port_value: 80 ', `address: ${host}, port_value: ${port} `);
}
