// Flat config, given to eslint by name (npm run check): the top level of the project holds no tool's files.
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** What each folder of src may import: the layer rules of docs/architecture.md. */
const layers = {
  lib: ["lib"],
  engine: ["engine", "lib"],
  config: ["config", "engine", "lib"],
  watch: ["watch", "engine", "lib"],
  build: ["build", "engine", "lib"],
  docker: ["docker", "engine", "lib"],
  cluster: ["cluster", "engine", "lib"],
  output: ["output", "engine", "lib"],
  ui: ["ui", "engine", "lib"],
  control: ["control", "output", "engine", "lib"],
  migrate: ["migrate", "lib"],
  init: ["init", "lib"],
};
const folders = [...Object.keys(layers), "commands"];

export default tseslint.config(
  { ignores: ["dist/", "coverage/", "examples/", "test/fixtures/", "node_modules/"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: [".config/*.js"] },
        tsconfigRootDir: `${import.meta.dirname}/..`,
      },
    },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      // Numbers print as people read them; nothing else is turned into text unseen.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `using _name` holds something for the length of a block.
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
      "no-console": "error",
    },
  },
  {
    files: ["**/*.tsx", "src/ui/**"],
    plugins: { "react-hooks": reactHooks },
    rules: { "react-hooks/rules-of-hooks": "error", "react-hooks/exhaustive-deps": "error" },
  },
  ...Object.entries(layers).map(([folder, allowed]) => ({
    files: [`src/${folder}/**`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: `(^|/)\\.\\./(${folders.filter((other) => !allowed.includes(other)).join("|")})/`,
              message: `src/${folder} may import only from ${allowed.join(", ")} (docs/architecture.md).`,
            },
          ],
        },
      ],
    },
  })),
  {
    // Adapters know the engine's types, never its code.
    files: ["src/{watch,build,docker,cluster,output,ui,config}/**"],
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: "\\.\\./engine/(engine|plan|reduce|store)\\.js$",
              allowTypeImports: true,
              message: "Only types and selectors come from the engine.",
            },
          ],
        },
      ],
    },
  },
  { files: ["src/cli.ts", "test/bench/**", ".config/**"], rules: { "no-console": "off" } },
  {
    files: ["test/**"],
    rules: {
      // Tests read plainly: a value known to be there is used as such.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
    },
  },
);
