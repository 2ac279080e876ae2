import { expect, test } from '@jest/globals';
import { packagesIn, serverIn } from '#postgres/testing/postgres/postgres-apt.js';

test("finds the server of this Debian's release behind the package without a version", () => {
  expect(serverIn('postgresql\n  Depends: postgresql-17\n  Suggests: postgresql-doc\n')).toBe(
    'postgresql-17',
  );
  expect(() => serverIn('')).toThrow('no package postgresql');
});

test('downloads the server and the libraries that the machine lacks, and no more', () => {
  const plan = ['libicu72', 'libllvm14', 'libpq5', 'perl-base', 'libperl5.36', 'postgresql-17', 'ssl-cert']
    .map((name) => `Inst ${name} (1.0 Debian:12/stable [amd64])\nConf ${name} (1.0)`)
    .join('\n');
  expect(packagesIn(`Reading package lists...\n${plan}`, 'postgresql-17')).toEqual([
    'postgresql-17',
    'libpq5',
    'libicu72',
  ]);
  expect(packagesIn('0 upgraded, 0 newly installed', 'postgresql-15')).toEqual(['postgresql-15', 'libpq5']);
});
