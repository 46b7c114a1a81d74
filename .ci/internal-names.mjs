// Which property names of the worker may be shortened in what is published: those that nobody outside our bundles can see.
// Without arguments it checks internal-names.json, with `--write` it makes that list anew.
//
// A name is left as it is if it occurs in a public type (people write adapters against those), in what is stored or sent, in
// a string (an event's type is a key of the machine's table), among what browsers call their own, or where our code speaks to
// a type that is not ours.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { SyntaxKind } from 'typescript/unstable/ast';
import { API, SignatureKind, TypeFlags } from 'typescript/unstable/sync';

const LIST = '.ci/internal-names.json';

/** What others see: all that these modules export, and all that can be reached from there. */
const open = [
  'sw/index.ts',
  'sw/store/schema.ts',
  'src/index.ts',
  'src/contracts/errors.ts',
  'src/contracts/hand-over.ts',
  'src/contracts/messages.ts',
  'src/contracts/policy.ts',
  'src/contracts/upload.ts',
  'e2e/conformance/index.ts',
];
/** Whose bundles are shortened. */
const projects = ['sw', 'src', 'demo/sw', 'e2e/conformance'].map((folder) => resolve(folder, 'tsconfig.json'));

const declares = [
  SyntaxKind.PropertySignature,
  SyntaxKind.MethodSignature,
  SyntaxKind.PropertyDeclaration,
  SyntaxKind.MethodDeclaration,
];
const literals = [SyntaxKind.PropertyAssignment, SyntaxKind.ShorthandPropertyAssignment, SyntaxKind.GetAccessor];

const api = new API({ cwd: process.cwd() });
const seen = new Set();
const declared = new Set();
const outside = new Set(browserNames());
for (const openProject of projects) {
  const { program, checker } = api.updateSnapshot({ openProject }).getProject(openProject);
  const files = program.getSourceFileNames().filter(isOurs);
  for (const path of files) {
    if (seen.has(path)) continue;
    seen.add(path);
    const file = program.getSourceFile(path);
    if (open.includes(relative('.', path))) exported(file, checker);
    look(file, checker);
  }
}
api.close();
const missing = open.filter((path) => !seen.has(resolve(path)));
if (missing.length > 0) throw new Error(`Not looked at: ${missing.join(', ')}`);

const safe = [...declared].filter((name) => !outside.has(name)).sort();
if (process.argv.includes('--write')) {
  writeFileSync(LIST, `${JSON.stringify(safe, null, 2)}\n`);
  console.log(`${safe.length} names written to ${LIST}`);
} else {
  const listed = JSON.parse(readFileSync(LIST, 'utf8'));
  const unsafe = listed.filter((name) => !safe.includes(name));
  console.log(`${listed.length} internal names, ${unsafe.length} of them seen from outside ${unsafe.join(' ')}`);
  if (unsafe.length > 0 || listed.length === 0) {
    console.log(`Make the list anew: node .ci/internal-names.mjs --write`);
    process.exitCode = 1;
  }
}

function isOurs(path) {
  return !path.includes('/node_modules/') && !path.includes('/lib.') && !relative('.', path).startsWith('..');
}

/** Every property that browsers have, as Terser lists them. */
function browserNames() {
  const terser = dirname(createRequire(import.meta.url).resolve('terser/package.json'));
  const text = readFileSync(join(terser, 'tools/domprops.js'), 'utf8');
  return [...text.matchAll(/"([^"]+)"/g)].map(([, name]) => name);
}

/** Whatever can be reached from a module's exports is seen from outside. */
function exported(file, checker) {
  for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(file))) {
    reached(checker.getDeclaredTypeOfSymbol(symbol), checker);
    reached(checker.getTypeOfSymbol(symbol), checker);
  }
}

function reached(start, checker) {
  const known = new Set();
  const look = (type) => {
    if (!type || known.has(type.id)) return;
    known.add(type.id);
    for (const part of parts(type, checker)) look(part);
    for (const property of checker.getPropertiesOfType(type)) {
      if (!property.declarations.some(({ path }) => isOurs(path))) continue;
      outside.add(property.name);
      look(checker.getTypeOfSymbol(property));
    }
    for (const kind of [SignatureKind.Call, SignatureKind.Construct]) {
      for (const signature of checker.getSignaturesOfType(type, kind)) {
        for (const parameter of signature.getParameters()) look(checker.getTypeOfSymbol(parameter));
        look(checker.getReturnTypeOfSignature(signature));
      }
    }
  };
  look(start);
}

function parts(type, checker) {
  if (type.isUnionType() || type.isIntersectionType()) return type.getTypes();
  if (type.isTypeParameter()) return [checker.getConstraintOfTypeParameter(type)];
  const indexed = type.isObjectType() ? checker.getIndexInfosOfType(type).map((info) => info.valueType) : [];
  return [...indexed, ...(type.isTypeReference() ? checker.getTypeArguments(type) : [])];
}

/** Notes what a file declares, what it says as a string, and where it speaks to a type that is not ours. */
function look(file, checker) {
  const path = relative('.', file.fileName);
  const isEngine = /^sw\/(?!protocols\/)/.test(path);
  // What a protocol declares may be a server's word, and what a page declares is its own affair. The kit for adapters speaks to
  // no server by itself.
  const isElsewhere = !isEngine && !path.startsWith('e2e/');
  const visit = (node) => {
    const { kind, parent } = node;
    if (kind === SyntaxKind.StringLiteral || kind === SyntaxKind.NoSubstitutionTemplateLiteral) outside.add(node.text);
    if (kind === SyntaxKind.Identifier) {
      const name = node.text;
      const isNew = parent.name === node && declares.includes(parent.kind);
      if (isEngine && (isNew || (parent.name === node && literals.includes(parent.kind)))) declared.add(name);
      if (isElsewhere && isNew) outside.add(name);
      if (isForeign(node, checker)) outside.add(name);
    }
    // What came from outside is unknown until it is said to be something.
    if (kind === SyntaxKind.AsExpression && node.expression.kind !== SyntaxKind.AsExpression) {
      const { flags } = checker.getTypeAtLocation(node.expression);
      if (flags & (TypeFlags.Any | TypeFlags.Unknown)) reached(checker.getTypeAtLocation(node), checker);
    }
    // What is sent goes to tabs of other versions, too.
    if (kind === SyntaxKind.CallExpression && /\b(envelope|postMessage)$/.test(node.expression.getText(file))) {
      for (const sent of node.arguments) reached(checker.getTypeAtLocation(sent), checker);
    }
    node.forEachChild(visit);
  };
  visit(file);
}

/** Whether this names a property of a type that is not ours, or of one that is not known. */
function isForeign(node, checker) {
  const { parent, text: name } = node;
  switch (parent.kind) {
    case SyntaxKind.PropertyAccessExpression:
      return parent.name === node && !isOurSymbol(checker.getSymbolAtLocation(node));
    case SyntaxKind.BindingElement: {
      const isKey = parent.propertyName ? parent.propertyName === node : parent.name === node;
      if (!isKey || parent.dotDotDotToken || parent.parent.kind !== SyntaxKind.ObjectBindingPattern) return false;
      return !propertiesOf(checker.getTypeAtLocation(parent.parent), name, checker).every(isOurSymbol);
    }
    case SyntaxKind.PropertyAssignment:
    case SyntaxKind.ShorthandPropertyAssignment:
    case SyntaxKind.MethodDeclaration: {
      if (parent.name !== node || parent.parent.kind !== SyntaxKind.ObjectLiteralExpression) return false;
      const type = checker.getContextualType(parent.parent);
      if (isGivenAway(parent.parent, checker)) return true;
      const properties = propertiesOf(type, name, checker);
      return type !== undefined && !(properties.length > 0 && properties.every(isOurSymbol));
    }
    default:
      return false;
  }
}

/** Whether a literal is, or is part of, what a function that is not ours is called with: it may take it as it comes. */
function isGivenAway(literal, checker) {
  const { parent } = literal;
  switch (parent.kind) {
    case SyntaxKind.CallExpression:
    case SyntaxKind.NewExpression:
      return (
        parent.expression !== literal && !isOurs(checker.getResolvedSignature(parent)?.declaration?.path ?? '/lib.')
      );
    case SyntaxKind.PropertyAssignment:
    case SyntaxKind.ObjectLiteralExpression:
    case SyntaxKind.ArrayLiteralExpression:
    case SyntaxKind.ParenthesizedExpression:
    case SyntaxKind.SpreadAssignment:
    case SyntaxKind.SpreadElement:
      return isGivenAway(parent, checker);
    default:
      return false;
  }
}

function propertiesOf(type, name, checker) {
  if (!type) return [];
  if (type.isTypeParameter()) return propertiesOf(checker.getBaseConstraintOfType(type), name, checker);
  const property = checker.getPropertyOfType(type, name);
  if (property) return [property];
  return type.isUnionType() ? type.getTypes().flatMap((part) => propertiesOf(part, name, checker)) : [];
}

function isOurSymbol(symbol) {
  return (
    symbol !== undefined && symbol.declarations.length > 0 && symbol.declarations.every(({ path }) => isOurs(path))
  );
}
