// Where Metro's own resolver finds the entries of the package: node metro.cjs true|false (with package exports, or not).
const { existsSync, readFileSync, statSync } = require('node:fs')
const { dirname, join, relative } = require('node:path')
const { resolve } = require('metro-resolver')

const withExports = JSON.parse(process.argv[2])
const home = __dirname

function packageAt(folder) {
  const file = join(folder, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null
}

function packageOf(path) {
  for (let folder = path; ; folder = dirname(folder)) {
    const packageJson = packageAt(folder)
    if (packageJson) return { rootPath: folder, packageJson, packageRelativePath: relative(folder, path) }
    if (folder === dirname(folder)) return null
  }
}

const context = {
  allowHaste: false,
  assetExts: new Set(),
  customResolverOptions: {},
  dependency: { asyncType: null },
  dev: true,
  disableHierarchicalLookup: false,
  doesFileExist: (path) => existsSync(path) && statSync(path).isFile(),
  extraNodeModules: null,
  fileSystemLookup: (path) => {
    if (!existsSync(path)) return { exists: false }
    return { exists: true, type: statSync(path).isDirectory() ? 'd' : 'f', realPath: path }
  },
  getPackage: (file) => packageAt(dirname(file)),
  getPackageForModule: packageOf,
  isESMImport: true,
  mainFields: ['react-native', 'browser', 'main'],
  nodeModulesPaths: [],
  originModulePath: join(home, 'app.ts'),
  preferNativePlatform: true,
  redirectModulePath: (path) => path,
  resolveAsset: () => null,
  resolveHasteModule: () => null,
  resolveHastePackage: () => null,
  sourceExts: ['js', 'jsx', 'json', 'ts', 'tsx'],
  unstable_conditionNames: ['react-native'],
  unstable_conditionsByPlatform: { web: ['browser'] },
  unstable_enablePackageExports: withExports,
  unstable_incrementalResolution: false,
  unstable_logWarning: (message) => {
    throw new Error(message)
  },
}

const NAME = '@lingualink/backend-client'
const entries = [NAME, `${NAME}/react`, `${NAME}/testing`, `${NAME}/openapi.json`]
const found = entries.map((entry) => [entry, relative(home, resolve(context, entry, 'android').filePath)])
console.log(JSON.stringify(Object.fromEntries(found)))
