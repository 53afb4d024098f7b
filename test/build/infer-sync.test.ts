import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inferSync, type InferOptions } from "../../src/build/infer-sync.js";
import { compileSync } from "../../src/engine/sync-rules.js";

const infer = (text: string, more: Partial<InferOptions> = {}) =>
  inferSync(text, {
    args: {},
    ignore: [],
    then: { kind: "nothing" },
    dockerfileName: "Dockerfile",
    ...more,
  });

interface Case {
  readonly what: string;
  readonly text: string;
  readonly options?: Partial<InferOptions>;
  /** `src → dest`, with the line. */
  readonly rules?: readonly string[];
  readonly rebuild?: readonly string[];
  readonly notes?: readonly string[];
}

function check(cases: readonly Case[]): void {
  it.each(cases)("$what", ({ text, options, rules = [], rebuild = [], notes = [] }) => {
    const found = infer(text, options);
    const shown = found.rules.map(({ src, dest, origin }) => `${src} → ${dest} (${origin ?? "written"})`);
    expect({ ...found, rules: shown }).toEqual({
      rules: rules.map((rule) => rule.replace(/ (COPY|ADD):(\d+)$/, " ($1 in Dockerfile:$2)")),
      rebuild,
      notes,
    });
  });
}

const wholeBefore = (copy: number, run: number): string =>
  `nothing is inferred: COPY in Dockerfile:${copy} brings the whole context before RUN in Dockerfile:${run}, which may have used it`;

describe("real Dockerfiles", () => {
  check([
    {
      what: "Node, packages first",
      text: `FROM node:20-alpine
WORKDIR /usr/src/app
COPY package*.json ./
RUN npm ci --omit=dev
COPY . .
EXPOSE 3000
CMD ["node", "server.js"]`,
      rules: [". → /usr/src/app COPY:5"],
      rebuild: ["package*.json"],
    },
    {
      what: "Node as docker init writes it, with bind mounts",
      text: `# syntax=docker/dockerfile:1
ARG NODE_VERSION=20.11.0
FROM node:\${NODE_VERSION}-alpine
ENV NODE_ENV production
WORKDIR /usr/src/app
RUN --mount=type=bind,source=package.json,target=package.json \\
    --mount=type=bind,source=package-lock.json,target=package-lock.json \\
    --mount=type=cache,target=/root/.npm \\
    npm ci --omit=dev
USER node
COPY . .
CMD node index.js`,
      rules: [". → /usr/src/app COPY:11"],
      rebuild: ["package.json", "package-lock.json"],
    },
    {
      what: "Node, stages for packages and for running",
      text: `FROM node:20 AS base
WORKDIR /app
FROM base AS deps
COPY package.json yarn.lock ./
RUN yarn install --frozen-lockfile
FROM base
COPY --from=deps /app/node_modules ./node_modules
COPY --chown=node:node . .
USER node`,
      rules: [". → /app COPY:8"],
      rebuild: ["package.json", "yarn.lock"],
    },
    {
      what: "Node, packages copied over the sources",
      text: `FROM node:20 AS deps
WORKDIR /app
COPY package.json ./
RUN npm i
FROM node:20
WORKDIR /app
COPY . .
COPY --from=deps /app/node_modules ./node_modules`,
      rules: [". → /app COPY:7"],
      rebuild: ["package.json", "node_modules"],
    },
    {
      what: "Node, everything before npm ci",
      text: `FROM node:20
WORKDIR /app
COPY . .
RUN npm ci
CMD ["npm", "start"]`,
      notes: [wholeBefore(3, 4)],
    },
    {
      what: "Node, everything and then chown",
      text: `FROM node:20
WORKDIR /app
COPY package.json .
RUN npm ci
COPY . .
RUN chown -R node /app`,
      notes: [wholeBefore(5, 6)],
    },
    {
      what: "Next.js, built in a stage",
      text: `FROM node:20 AS builder
WORKDIR /app
COPY . .
RUN npm run build
FROM node:20
WORKDIR /app
COPY --from=builder /app/.next/standalone ./
COPY public ./public`,
      notes: [
        "nothing is inferred: COPY in Dockerfile:3 brings the whole context into stage builder, which the image is made from",
      ],
    },
    {
      what: "Node, directories one by one",
      text: `FROM node:20
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
COPY public/ ./public/`,
      rules: ["tsconfig.json → /app/ COPY:5", "src → /app/src COPY:6", "public → /app/public/ COPY:7"],
      rebuild: ["package.json", "package-lock.json"],
    },
    {
      what: "a target for development",
      text: `FROM node:20 AS base
WORKDIR /app
COPY package.json .
FROM base AS dev
RUN npm install
COPY src src
FROM base AS prod
COPY . .
RUN npm run build`,
      options: { target: "dev" },
      rules: ["src → /app/src COPY:6"],
      rebuild: ["package.json"],
    },
    {
      what: "Python with pip",
      text: `FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 \\
    APP_HOME=/srv/app
WORKDIR $APP_HOME
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
CMD ["gunicorn", "app:app"]`,
      rules: [". → /srv/app COPY:7"],
      rebuild: ["requirements.txt"],
    },
    {
      what: "Python with uv",
      text: `FROM python:3.12
COPY --from=ghcr.io/astral-sh/uv:latest /uv /uvx /bin/
WORKDIR /app
RUN --mount=type=cache,target=/root/.cache/uv \\
    --mount=type=bind,source=uv.lock,target=uv.lock \\
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
    uv sync --locked --no-install-project
COPY app ./app
COPY alembic.ini manage.py ./`,
      rules: ["app → /app/app COPY:8", "alembic.ini → /app/ COPY:9", "manage.py → /app/ COPY:9"],
      rebuild: ["uv.lock", "pyproject.toml"],
    },
    {
      what: "Python, a project that uv installs last",
      text: `FROM python:3.12
WORKDIR /app
ADD . /app
RUN uv sync`,
      notes: [
        "nothing is inferred: ADD in Dockerfile:3 brings the whole context before RUN in Dockerfile:4, which may have used it",
      ],
    },
    {
      what: "Django with an entry point",
      text: `FROM python:3.12
WORKDIR /code
COPY requirements/ requirements/
RUN pip install -r requirements/dev.txt
COPY docker/entrypoint.sh /entrypoint.sh
COPY --chmod=755 docker/start /start
COPY . /code/`,
      rules: ["docker/entrypoint.sh → /entrypoint.sh COPY:5", ". → /code COPY:7"],
      rebuild: ["requirements", "docker/start"],
      notes: [
        "Dockerfile:6: COPY of docker/start is not inferred: its files have another mode here than its --chmod=755 gives them",
      ],
    },
    {
      what: "Rails",
      text: `FROM ruby:3.3
WORKDIR /rails
COPY Gemfile Gemfile.lock ./
RUN bundle install && \\
    rm -rf ~/.bundle
COPY . .
ENTRYPOINT ["/rails/bin/docker-entrypoint"]`,
      rules: [". → /rails COPY:6"],
      rebuild: ["Gemfile", "Gemfile.lock"],
    },
    {
      what: "Rails that precompiles",
      text: `FROM ruby:3.3
WORKDIR /rails
COPY Gemfile* ./
RUN bundle install
COPY . .
RUN bin/rails assets:precompile`,
      notes: [wholeBefore(5, 6)],
    },
    {
      what: "Go in two stages",
      text: `FROM golang:1.22 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -o /out/app
FROM gcr.io/distroless/static
COPY --from=build /out/app /app
COPY templates /templates`,
      notes: [
        "nothing is inferred: COPY in Dockerfile:5 brings the whole context into stage build, which the image is made from",
      ],
    },
    {
      what: "Go, only its sources built",
      text: `FROM golang:1.22 AS build
WORKDIR /src
COPY go.* ./
COPY cmd/ cmd/
COPY internal/ internal/
RUN go build -o /out/app ./cmd/app
FROM scratch
COPY --from=build /out/app /bin/app
COPY web/templates /templates
COPY web/static /static`,
      rules: ["web/templates → /templates COPY:9", "web/static → /static COPY:10"],
      rebuild: ["go.*", "cmd", "internal"],
    },
    {
      what: "Go for development: compiled where it runs",
      text: `FROM golang:1.22
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
CMD ["go", "run", "."]`,
      rules: [". → /src COPY:5"],
      rebuild: ["go.mod", "go.sum"],
    },
    {
      what: "PHP with Apache",
      text: `FROM php:8.3-apache
RUN docker-php-ext-install pdo_mysql && a2enmod rewrite
COPY --chown=www-data . /var/www/html/
COPY docker/vhost.conf /etc/apache2/sites-available/000-default.conf`,
      rules: [
        ". → /var/www/html COPY:3",
        "docker/vhost.conf → /etc/apache2/sites-available/000-default.conf COPY:4",
      ],
    },
    {
      what: "PHP in the base image's own directory",
      text: `FROM php:8.3-apache
COPY src/ .`,
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of src is not inferred: its destination is relative, and no WORKDIR in here says to what",
      ],
    },
    {
      what: "Laravel with composer",
      text: `FROM composer:2 AS vendor
COPY composer.json composer.lock ./
RUN composer install --no-scripts
FROM php:8.3-fpm
WORKDIR /var/www
COPY . .
COPY --from=vendor /app/vendor/ ./vendor/
VOLUME /var/www/storage`,
      rules: [". → /var/www COPY:6"],
      rebuild: ["composer.json", "composer.lock", "vendor"],
    },
    {
      what: "nginx with a site and its config",
      text: `FROM nginx:1.27
COPY nginx.conf /etc/nginx/nginx.conf
COPY conf.d/*.conf /etc/nginx/conf.d/
COPY html /usr/share/nginx/html`,
      rules: [
        "nginx.conf → /etc/nginx/nginx.conf COPY:2",
        "conf.d/*.conf → /etc/nginx/conf.d/ COPY:3",
        "html → /usr/share/nginx/html COPY:4",
      ],
    },
    {
      what: "nginx with what a stage built",
      text: `FROM node:20 AS build
WORKDIR /app
COPY package.json .
RUN npm i
COPY src src
RUN npm run build
FROM nginx
COPY --from=build /app/dist /usr/share/nginx/html
COPY nginx/ /etc/nginx/conf.d/`,
      rules: ["nginx → /etc/nginx/conf.d/ COPY:9"],
      rebuild: ["package.json", "src"],
    },
    {
      what: "Java: a jar alone",
      text: `FROM eclipse-temurin:21
ARG JAR=target/*.jar
COPY \${JAR} /app.jar`,
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:3: COPY of target/*.jar is not inferred: /app.jar is a file or a directory: a slash at its end tells",
      ],
    },
    {
      what: "a stage that is not used does not matter",
      text: `FROM node:20 AS test
COPY . .
RUN npm test
FROM node:20
WORKDIR /app
COPY src src`,
      rules: ["src → /app/src COPY:6"],
    },
  ]);
});

describe("where a path goes", () => {
  const from = (lines: string, base = "scratch"): string => `FROM ${base}\n${lines}`;
  check([
    {
      what: "relative WORKDIRs",
      text: from("WORKDIR /a\nWORKDIR b/c\nWORKDIR ..\nCOPY x y"),
      rules: ["x → /a/b/y COPY:5"],
    },
    { what: "no WORKDIR in scratch", text: from("COPY x y/"), rules: ["x → /y/ COPY:2"] },
    {
      what: "the stage's WORKDIR goes on",
      text: "FROM x AS a\nWORKDIR /w\nFROM a\nCOPY x .",
      rules: ["x → /w/ COPY:4"],
    },
    { what: "a dot at the end", text: from("COPY x /a/."), rules: ["x → /a/ COPY:2"] },
    {
      what: "a name onto a WORKDIR",
      text: from("WORKDIR /app\nCOPY run /app"),
      rules: ["run → /app/ COPY:3"],
    },
    {
      what: "a file onto a WORKDIR",
      text: from("WORKDIR /app/b\nCOPY run.sh /app"),
      rules: ["run.sh → /app/ COPY:3"],
    },
    {
      what: "a file onto a directory copied before",
      text: from("COPY a/ /app/\nCOPY run.sh /app", "x"),
      rules: ["a → /app/ COPY:2", "run.sh → /app/ COPY:3"],
      rebuild: ["a/run.sh"],
    },
    {
      what: "a file where a directory may be",
      text: from("COPY run.sh /usr/local/bin", "x"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of run.sh is not inferred: /usr/local/bin may be a directory of the image: a slash at its end tells",
      ],
    },
    { what: "a file to the root", text: from("COPY run.sh /", "x"), rules: ["run.sh → / COPY:2"] },
    {
      what: "a directory to the root",
      text: from("COPY rootfs/ /", "x"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of rootfs is not inferred: it goes to /",
      ],
    },
    {
      what: "sources from the root and above",
      text: from("COPY /a ../b /c/"),
      rules: ["b → /c/ COPY:2"],
      rebuild: ["a"],
      notes: ["Dockerfile:2: COPY of a is not inferred: COPY in Dockerfile:2 may write over its files"],
    },
    {
      what: "several files",
      text: from("COPY a.js b.js ./c.js /d/"),
      rules: ["a.js → /d/ COPY:2", "b.js → /d/ COPY:2", "c.js → /d/ COPY:2"],
    },
    { what: "JSON form", text: from('COPY ["a b.txt", "/c d/"]'), rules: ["a b.txt → /c d/ COPY:2"] },
    {
      what: "variables with defaults",
      text: from("ARG D\nENV A=/x B=$A/y C=${D:-/z}\nENV B=$A/y\nCOPY a $B/a\nCOPY c ${C}/c"),
      rules: ["a → /x/y/a COPY:5", "c → /z/c COPY:6"],
    },
    {
      what: "build arguments over defaults",
      text: from("ARG D=/x\nCOPY a $D/a"),
      options: { args: { D: "/given" } },
      rules: ["a → /given/a COPY:3"],
    },
    {
      what: "arguments of before FROM",
      text: "ARG D=/x\nFROM y\nARG D\nCOPY a $D/a",
      rules: ["a → /x/a COPY:4"],
    },
    {
      what: "arguments of before FROM, not taken in",
      text: "ARG D=/x\nFROM y\nCOPY a $D/a",
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:3: COPY of a is not inferred: its destination depends on $D, which is not set in here",
      ],
    },
    {
      what: "a parent's arguments",
      text: "FROM y AS p\nARG D=/x\nFROM p\nCOPY a $D/a",
      rules: ["a → /x/a COPY:4"],
    },
    {
      what: "what the base image may set",
      text: from("WORKDIR $HOME/app\nCOPY a .", "x"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:3: COPY of a is not inferred: its destination is relative, and no WORKDIR in here says to what",
      ],
    },
    {
      what: "a source that the base image may set",
      text: from("COPY $SRC /app", "x"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of the whole context is not inferred: its source depends on $SRC, which is not set in here",
      ],
    },
    {
      what: "the old form of ENV, quotes, continued lines",
      text: from(
        "ENV DIR /with space\nENV E='$F' G=\"g h\"\nCOPY \\\n  # why\n  --chown=1:1 \\\n  a $DIR/$G/",
      ),
      rules: ["a → /with space/g h/ COPY:4"],
    },
    {
      what: "another escape character",
      text: "# escape=`\nFROM scratch\nCOPY a `\n  /b/",
      rules: ["a → /b/ COPY:3"],
    },
    {
      what: "patterns for files",
      text: from("COPY *.py src/*.txt /app/"),
      rules: ["src/*.txt → /app/ COPY:2"],
      rebuild: ["*.py"],
      notes: ["Dockerfile:2: COPY of *.py is not inferred: COPY in Dockerfile:2 may write over its files"],
    },
    {
      what: "patterns of one directory",
      text: from("COPY *.py *.txt /app/"),
      rules: ["*.py → /app/ COPY:2", "*.txt → /app/ COPY:2"],
    },
    {
      what: "patterns that match directories",
      text: from("COPY src/* /app/"),
      rules: ["src/* → /app/ COPY:2"],
      rebuild: ["src/*/**"],
    },
    {
      what: "Go's two stars are one",
      text: from("COPY src/**.js /app/"),
      rules: ["src/*.js → /app/ COPY:2"],
    },
    {
      what: "patterns for directories",
      text: from("COPY */a.js /app/"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of */a.js is not inferred: the directories that */a.js matches do not stand in the image",
      ],
    },
    {
      what: "a malformed pattern",
      text: from("COPY a[ /app/"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of a[ is not inferred: a[ is a malformed pattern",
      ],
    },
    {
      what: "--link",
      text: from("COPY --link a.js /app/\nCOPY --link=false b /b"),
      rules: ["a.js → /app/ COPY:2", "b → /b COPY:3"],
    },
    {
      what: "--link onto a directory",
      text: from("WORKDIR /app\nCOPY --link a /app"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:3: COPY of a is not inferred: --link may put it in the place of /app",
      ],
    },
    {
      what: "--parents and --exclude",
      text: from("COPY --parents a/b.js /app/\nCOPY --exclude=*.md doc /doc\nCOPY --parents=false c /c"),
      rules: ["c → /c COPY:4"],
      rebuild: ["a/b.js", "doc"],
      notes: [
        "Dockerfile:2: COPY of a/b.js is not inferred: --parents decides what goes where",
        "Dockerfile:3: COPY of doc is not inferred: --exclude decides what goes where",
      ],
    },
    {
      what: "ADD of files and of archives",
      text: from("ADD a.txt /a/\nADD vendor.tar.gz /b/\nADD *.tgz /c/\nADD pkg* /d/"),
      rules: ["a.txt → /a/ ADD:2"],
      rebuild: ["vendor.tar.gz", "*.tgz", "pkg*"],
      notes: [
        "Dockerfile:3: ADD of vendor.tar.gz is not inferred: ADD unpacks archives",
        "Dockerfile:4: ADD of *.tgz is not inferred: ADD unpacks the archives among them",
        "Dockerfile:5: ADD of pkg* is not inferred: ADD unpacks the archives among them",
      ],
    },
    {
      what: "COPY of an archive",
      text: from("COPY vendor.tar.gz /b/"),
      rules: ["vendor.tar.gz → /b/ COPY:2"],
    },
    {
      what: "ADD from elsewhere",
      text: from("ADD https://example.com/a.js git@example.com:x/y.git /a/\nCOPY b /b"),
      rules: ["b → /b COPY:3"],
      notes: [
        "Dockerfile:2: ADD is not inferred: it is fetched from elsewhere",
        "Dockerfile:2: ADD is not inferred: it is fetched from elsewhere",
      ],
    },
    {
      what: "texts in the Dockerfile",
      text: from("COPY src /app\nCOPY <<EOF <<-X /app/\nCOPY . /no\nEOF\n\tX\nCOPY <<EOF /app/conf/one\nEOF"),
      rules: ["src → /app COPY:2"],
      rebuild: ["src/EOF", "src/X", "src/conf/one"],
    },
    {
      what: "files of images, and of further contexts",
      text: from("COPY --from=busybox /bin /bin\nCOPY --from=lib . /lib\nCOPY a /a"),
      options: { contexts: { lib: { kind: "directory", path: "/l" } } },
      rules: ["a → /a COPY:4"],
    },
    {
      what: "only files of images",
      text: from("COPY --from=busybox /bin /bin"),
      notes: ["nothing is inferred: what is copied does not come from the context"],
    },
    {
      what: "nothing copied",
      text: from("RUN true\nCMD x", "y"),
      notes: ["nothing is inferred: nothing is copied after RUN in Dockerfile:2"],
    },
    { what: "an empty file", text: "", notes: ["nothing is inferred: nothing is copied"] },
    {
      what: "ONBUILD of a stage, at the next one's start",
      text: "FROM x AS p\nWORKDIR /p\nONBUILD COPY a a\nONBUILD RUN make\nFROM p AS q\nCOPY b b\nFROM q\nCOPY c c",
      rules: ["b → /p/b COPY:6", "c → /p/c COPY:8"],
      rebuild: ["a"],
    },
    {
      what: "ONBUILD of the stage itself",
      text: from("COPY a /a\nONBUILD RUN make"),
      rules: ["a → /a COPY:2"],
    },
    {
      what: "ONBUILD from elsewhere",
      text: "FROM x AS p\nONBUILD COPY --from=z /a /a\nFROM p\nCOPY b /b",
      notes: ["nothing is inferred: ONBUILD in Dockerfile:2 takes from elsewhere"],
    },
    { what: "a VOLUME over it", text: from("COPY a /data/a\nVOLUME /data"), rules: ["a → /data/a COPY:2"] },
    {
      what: "lower case, Windows line ends",
      text: "from scratch\r\nworkdir /app\r\ncopy a ./\r\n",
      rules: ["a → /app/ COPY:3"],
    },
  ]);
});

describe("copies over copies", () => {
  const from = (lines: string): string => `FROM x\n${lines}`;
  check([
    {
      what: "a file over one of a directory",
      text: from("COPY . /app\nCOPY config/dev.json /app/config.json"),
      rules: [". → /app COPY:2", "config/dev.json → /app/config.json COPY:3"],
      rebuild: ["config.json"],
    },
    {
      what: "a directory over one of a directory",
      text: from("COPY . /app\nCOPY other /app/lib"),
      rules: [". → /app COPY:2", "other → /app/lib COPY:3"],
      rebuild: ["lib"],
    },
    {
      what: "the same file twice",
      text: from("COPY . /app\nCOPY src /app/src\nCOPY . /app/"),
      rules: [". → /app COPY:2", "src → /app/src COPY:3", ". → /app COPY:4"],
    },
    {
      what: "a directory over the whole",
      text: from("COPY a/ /app/\nCOPY b/ /app/"),
      rules: ["b → /app/ COPY:3"],
      rebuild: ["a"],
      notes: ["Dockerfile:2: COPY of a is not inferred: COPY in Dockerfile:3 may write over its files"],
    },
    {
      what: "a directory above, from elsewhere in the context",
      text: from("COPY ui /app/src\nCOPY . /app"),
      rules: [". → /app COPY:3"],
      rebuild: ["ui"],
      notes: ["Dockerfile:2: COPY of ui is not inferred: COPY in Dockerfile:3 may write over its files"],
    },
    {
      what: "another image over the whole",
      text: from("COPY . /app\nCOPY --from=y /app /app"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of the whole context is not inferred: COPY in Dockerfile:3 may write over its files",
      ],
    },
    {
      what: "another image's files beside",
      text: from("COPY . /app\nCOPY --from=y /bin/tool.sh /usr/bin/"),
      rules: [". → /app COPY:2"],
    },
    {
      what: "an archive over the whole",
      text: from("COPY a.js /app/\nADD x.tar /app"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of a.js is not inferred: ADD in Dockerfile:3 may write over its files",
        "Dockerfile:3: ADD of x.tar is not inferred: ADD unpacks archives",
      ],
    },
    {
      what: "a file over a pattern's",
      text: from("COPY *.js /app/\nCOPY dev/a.js dev/b.txt /app/"),
      rules: ["*.js → /app/ COPY:2", "dev/a.js → /app/ COPY:3", "dev/b.txt → /app/ COPY:3"],
      rebuild: ["a.js"],
    },
    {
      what: "the same file before RUN and after",
      text: from("COPY src/gen /gen\nRUN make\nCOPY src /src\nCOPY src/gen/a.js /b.js"),
      rules: ["src → /src COPY:4"],
      rebuild: ["src/gen"],
      notes: [
        "Dockerfile:5: COPY of src/gen/a.js is not inferred: COPY in Dockerfile:2 brings src/gen before RUN in Dockerfile:3, which may have used it",
      ],
    },
    {
      what: "a RUN that mounts the context",
      text: from("RUN --mount=target=/src make -C /src\nCOPY a /a"),
      notes: ["nothing is inferred: RUN in Dockerfile:2 mounts the whole context, and may have used it"],
    },
    {
      what: "a RUN that mounts a stage",
      text: "FROM x AS b\nCOPY lib /lib\nFROM x\nRUN --mount=from=b,target=/b true\nCOPY a /a",
      rules: ["a → /a COPY:5"],
      rebuild: ["lib"],
    },
    {
      what: "a copy to who knows where",
      text: from("COPY a /a\nCOPY --from=y /b $DIR/b"),
      notes: [
        "nothing is inferred of what is copied",
        "Dockerfile:2: COPY of a is not inferred: COPY in Dockerfile:3 may write over its files",
      ],
    },
  ]);
});

it("rules carry what the config says of all", () => {
  const { rules } = infer("FROM x\nCOPY a /a\n", {
    ignore: ["*.md"],
    then: { kind: "restart" },
    dockerfileName: "docker/web.Dockerfile",
  });
  expect(rules).toEqual([
    {
      src: "a",
      dest: "/a",
      ignore: ["*.md"],
      then: { kind: "restart" },
      origin: "COPY in docker/web.Dockerfile:2",
      onlyDirectory: true,
    },
  ]);
});

it("a name without extension holds for a directory where the image may have one of the destination's name", () => {
  const only = (lines: string): unknown =>
    infer(`FROM scratch\n${lines}`).rules.map(({ onlyDirectory = false }) => onlyDirectory);
  expect(only("COPY html /usr/share/html\nCOPY html /x/\nWORKDIR /app\nCOPY run /app\nCOPY . /all")).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(only("COPY run /run.sh")).toEqual([false]);
});

it("whatever stands in the file, it ends with rules that compile", () => {
  const lines = fc.constantFrom(
    "FROM x AS a",
    "FROM a",
    "FROM scratch",
    "ARG A=/x",
    "ENV B=$A C",
    "ENV B ${A:-[}",
    "WORKDIR $A",
    "WORKDIR w",
    "RUN --mount=source=[a,target=/x true",
    "COPY a[ $B",
    "COPY [",
    'COPY ["a", "/b"]',
    "COPY --from",
    "COPY --x=y a b c/",
    "COPY * ! /x/",
    "ADD !a #b \\c /",
    "COPY a\\",
    "COPY . .",
    "ONBUILD COPY <<E /x",
    "ONBUILD",
    "COPY <<E",
    "E",
    "COPY ?.js ${__proto__} ${constructor#a} ../",
  );
  const words = fc.array(fc.oneof(lines, fc.string({ maxLength: 8 })), { maxLength: 12 });
  fc.assert(
    fc.property(words, (text) => {
      const { rules, rebuild } = infer(text.join("\n"));
      for (const path of ["a", "b/c.js", "[a]"]) compileSync({ rules, rebuild }).explain(path);
    }),
    { numRuns: 3000 },
  );
});
