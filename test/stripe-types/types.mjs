// Reads Stripe's TypeScript declarations: the members of an object, and the values of an enumeration.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('./node_modules/stripe', import.meta.url));

export const packageVersion = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
export const apiVersion = readFileSync(join(root, 'OPENAPI_VERSION'), 'utf8').trim();
export const newestVersion = /ApiVersion = "([^"]+)"/.exec(readFileSync(join(root, 'esm/apiVersion.d.ts'), 'utf8'))[1];

const sources = new Map();

/** The declarations of one file of the package, such as Refunds.d.ts. */
function parse(file) {
  if (!sources.has(file)) {
    const path = join(root, 'esm/resources', file);
    sources.set(file, ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true));
  }
  return sources.get(file);
}

const isNamed = (node, name) => node.name?.text === name;

/** Finds the declaration of a dotted name, such as Refund.DestinationDetails.Card. */
function find(file, dotted) {
  const names = dotted.split('.');
  let statements = parse(file).statements;
  for (const name of names.slice(0, -1)) {
    const inner = statements.filter((node) => ts.isModuleDeclaration(node) && isNamed(node, name));
    if (inner.length === 0) return undefined;
    statements = inner.flatMap((node) => [...node.body.statements]);
  }
  const last = names.at(-1);
  const declares = (node) => ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
  return statements.find((node) => declares(node) && isNamed(node, last));
}

/** Finds a type by the name that a scope uses: in the scope itself, or in a scope around it. */
function resolve(file, scope, name) {
  for (let parts = scope.split('.'); parts.length > 0; parts = parts.slice(0, -1)) {
    const dotted = [...parts, name].join('.');
    const node = find(file, dotted);
    if (node) return { node, dotted };
  }
  const node = find(file, name);
  return node && { node, dotted: name };
}

const keywords = new Map([
  [ts.SyntaxKind.StringKeyword, 'string'], [ts.SyntaxKind.NumberKeyword, 'number'],
  [ts.SyntaxKind.BooleanKeyword, 'boolean'], [ts.SyntaxKind.UnknownKeyword, 'any'],
  [ts.SyntaxKind.AnyKeyword, 'any'], [ts.SyntaxKind.VoidKeyword, 'void'],
]);

/** Type names of the package for plain values. */
const shared = {
  Address: { kinds: ['object'] },
  Decimal: { kinds: ['string'] },
  Metadata: { kinds: ['object'] },
  OtherString: { kinds: [], open: true },
};

function literal(node) {
  if (node.literal.kind === ts.SyntaxKind.NullKeyword) return { kinds: ['null'] };
  if (ts.isStringLiteral(node.literal)) return { kinds: ['string'], values: [node.literal.text] };
  return { kinds: ['boolean'] };
}

function merge(types) {
  const out = { kinds: [...new Set(types.flatMap((type) => type.kinds))] };
  const values = types.flatMap((type) => type.values ?? []);
  if (values.length > 0) out.values = values;
  if (types.some((type) => type.open)) out.open = true;
  for (const key of ['members', 'items']) {
    const holder = types.find((type) => type[key]);
    if (holder) out[key] = holder[key];
  }
  return out;
}

/** One type as {kinds, values?, open?, members?, items?}. Objects of other resources have no members. */
function describe(file, scope, node, depth) {
  if (ts.isUnionTypeNode(node)) return merge(node.types.map((type) => describe(file, scope, type, depth)));
  if (ts.isParenthesizedTypeNode(node)) return describe(file, scope, node.type, depth);
  if (ts.isLiteralTypeNode(node)) return literal(node);
  if (ts.isArrayTypeNode(node)) return { kinds: ['array'], items: describe(file, scope, node.elementType, depth) };
  if (ts.isTypeLiteralNode(node)) return { kinds: ['object'] };
  if (!ts.isTypeReferenceNode(node)) return { kinds: [keywords.get(node.kind) ?? 'any'] };
  const name = node.typeName.getText();
  if (name === 'Array') return { kinds: ['array'], items: describe(file, scope, node.typeArguments[0], depth) };
  if (shared[name]) return shared[name];
  const found = resolve(file, scope, name);
  if (!found || depth === 0) return { kinds: ['object'] };
  if (ts.isTypeAliasDeclaration(found.node)) return describe(file, found.dotted, found.node.type, depth);
  const inner = members(file, found.node, found.dotted, depth - 1);
  return Object.keys(inner).length > 0 ? { kinds: ['object'], members: inner } : { kinds: ['object'] };
}

function members(file, node, dotted, depth) {
  const out = {};
  for (const member of node.members.filter(ts.isPropertySignature)) {
    const required = member.questionToken ? {} : { required: true };
    out[member.name.text] = { ...required, ...describe(file, dotted, member.type, depth) };
  }
  return out;
}

/** The members of an interface, and the members of these, to the given depth. */
export function shapeOf(file, dotted, depth = 5) {
  const node = find(file, dotted);
  if (!node) throw new Error(`${file} has no ${dotted}`);
  return members(file, node, dotted, depth);
}

/** The values of an enumeration, sorted, and whether Stripe may add values. */
export function valuesOf(file, dotted) {
  const node = find(file, dotted);
  if (!node) throw new Error(`${file} has no ${dotted}`);
  const { values, open = false } = describe(file, dotted.split('.').slice(0, -1).join('.'), node.type, 1);
  return { values: values.toSorted(), open };
}

/** The constant values of `type` in the interfaces of a file. */
export function thinTypes(file) {
  const found = new Set();
  for (const node of parse(file).statements.filter(ts.isInterfaceDeclaration)) {
    const type = node.members.find((member) => member.name?.text === 'type')?.type;
    if (type && ts.isLiteralTypeNode(type)) found.add(type.literal.text);
  }
  return [...found].toSorted();
}

/** The comment of an interface's member. */
export function commentOf(file, dotted, member) {
  const node = find(file, dotted)?.members?.find((at) => at.name?.text === member);
  return node?.jsDoc?.map((doc) => doc.comment).join(' ') ?? '';
}
