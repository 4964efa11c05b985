export { anInstance, aServiceName } from '../../src/registry/contract/an-instance.ts';
