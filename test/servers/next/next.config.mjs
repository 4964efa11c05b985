export default {
  output: 'standalone',
  outputFileTracingRoot: import.meta.dirname,
  // As `serverExternalPackages` does it with an installed package: where this is built the plugin is not.
  webpack(config) {
    config.externals.push({ 'lossless-lifecycle': 'commonjs lossless-lifecycle' });
    return config;
  },
};
