import { describe, expect, test } from 'vitest';
import { Health } from '../../../../src/provider/traffic/health.ts';

const health = new Health(['/health']);

describe('a health check of a balancer', () => {
  test.each([
    ['GET', '/health'],
    ['HEAD', '/health'],
    ['OPTIONS', '/health'],
    ['GET', '/health?full=1'],
    ['GET', 'http://orders:8080/health'],
    ['GET', 'HTTP://orders/health?full=1'],
  ])('is %s %s', (method, url) => {
    expect(health.isCheck({ method, url })).toBe(true);
  });

  test.each([
    ['POST', '/health'],
    ['DELETE', '/health'],
    ['GET', '/health/more'],
    ['GET', '/Health'],
    ['GET', 'http://health'],
    ['GET', '//health'],
    ['GET', '*'],
    ['GET', ''],
    [undefined, undefined],
  ])('is not %s %s', (method, url) => {
    expect(health.isCheck({ method, url })).toBe(false);
  });

  test('a path with other letter case is named as unknown', () => {
    expect(health.unknownCheck('/Health')).toBe('/Health');
    expect(health.unknownCheck('/health')).toBeUndefined();
  });
});

describe('a caller that calls itself a check of a platform', () => {
  const headers = { 'user-agent': 'ELB-HealthChecker/2.0' };

  test.each([
    ['GET', '/healthz', headers],
    ['HEAD', '/api/ready?x=1', headers],
    ['GET', '/actuator/prometheus', { 'user-agent': 'Prometheus/3.0' }],
    ['GET', '/', { ...headers, connection: 'Close' }],
    ['GET', '/anything', { 'x-prometheus-scrape-timeout-seconds': '10' }],
  ])('is believed with %s %s', (method, url, sent) => {
    expect(health.isProbe({ method, url, headers: sent })).toBe(true);
  });

  test.each([
    ['POST', '/healthz', headers],
    ['GET', '/', headers],
    ['GET', '/orders', { ...headers, connection: 'close' }],
    ['GET', '/healthz', { 'user-agent': 'Mozilla/5.0' }],
    ['GET', '/healthz', {}],
    ['POST', '/anything', { 'x-prometheus-scrape-timeout-seconds': '10' }],
    ['GET', `/${'x'.repeat(200)}/health`, headers],
  ])('is not believed with %s %s', (method, url, sent) => {
    expect(health.isProbe({ method, url, headers: sent })).toBe(false);
  });
});
