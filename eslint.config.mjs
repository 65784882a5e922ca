import tseslint from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';

/** The layers of packages, the lowest first: each may import its own folders, those below and shared files. */
const LAYERS = {
  'tensor-daemon': [
    ['store'],
    ['transfer'],
    ['source', 'ingest', 'tier'],
    ['lease'],
    ['api'],
    ['daemon.ts', 'main.ts', 'sweeper.ts'],
  ],
  'invoker-extension': [
    ['scaling'],
    ['profiles'],
    ['sandboxes'],
    ['messages'],
    ['instances'],
    ['status.ts', 'invoker-extension.ts', 'server.ts', 'main.ts'],
  ],
};

const zones = Object.entries(LAYERS).flatMap(([name, layers]) => {
  const inside = (names) => names.map((each) => `./${name}/src/${each}`);
  const downwards = layers.map((layer) => layer.join(' and ')).reverse();
  return layers.slice(0, -1).map((layer, index) => ({
    target: inside(layer),
    from: inside(layers.slice(index + 1).flat()),
    message: `Layers of ${name} import downwards: ${downwards.join(', ')}.`,
  }));
});

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '**/*_pb.ts', '**/*.js', '**/*.cjs', '**/*.mjs'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/require-await': 'off',
      'import-x/no-cycle': 'error',
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'MemberExpression[object.name="process"][property.name="env"]',
          message: 'Read the environment in config.ts only.',
        },
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
      ],
    },
  },
  {
    // The environment is read where processes start, and the action runtime owns the process environment of user code.
    files: [
      '**/config.ts',
      '**/main.ts',
      '**/cli.ts',
      'action-runtime/src/{proxy/**,instance.ts}',
      'bench/**',
      'test/**',
    ],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    // The makers of config keys are typed by what they return.
    files: ['common/src/config.ts'],
    rules: { '@typescript-eslint/explicit-module-boundary-types': 'off' },
  },
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
);
