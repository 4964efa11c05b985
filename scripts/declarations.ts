import { rolldown } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';

/** The declarations of `entry`, a file that `tsc` has made, with all that they need of this package, as one file. */
export async function declarationsOf(entry: string): Promise<string> {
  const bundle = await rolldown({
    input: entry,
    plugins: [dts({ dtsInput: true, emitDtsOnly: true, tsconfig: false })],
  });
  const { output } = await bundle.generate({ format: 'es' });
  await bundle.close();
  const [file, ...more] = output;
  if (more.length > 0)
    throw new Error(`expected one file for ${entry}, got also ${more.map(({ fileName }) => fileName)}`);
  return file.code;
}
