import type { CompletedCommand, CompletedOption } from './command-tree.ts'

/**
 * Scripts that complete the words of a command line. Each of them follows the words that are there to a command (`/dlq/list`), and then
 * offers what may stand next: the value of the option before, options, commands, choices, else files. `name` is the word that they begin with.
 */
export const shells = { bash, zsh, fish } as const satisfies Record<
  string,
  (commands: Commands, name: string) => string
>

type Commands = readonly CompletedCommand[]

function bash(commands: Commands, name: string): string {
  const values = choicesOf(commands).map(
    ({ after, choices }) => `    ${after}) COMPREPLY=($(compgen -W '${choices}' -- "$current")); return ;;`,
  )
  const words = commands.map(
    (command) =>
      `    '${command.path}') options='${spaced(flagsOf(command))}' words='${spaced(command.inner)} ${command.choices.join(' ')}' ;;`,
  )
  return `# Completion of ${name} for bash: source it, or put it into ~/.local/share/bash-completion/completions/${name}
_millrace() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' at
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "$path/\${COMP_WORDS[at]}" in
      ${pathsOf(commands, '|')}) path="$path/\${COMP_WORDS[at]}" ;;
    esac
  done
  COMPREPLY=()
  case "$path \${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join('\n')}
    ${anyValueOf(commands)}) return ;;
  esac
  local options='' words=''
  case "$path" in
${words.join('\n')}
  esac
  [[ $current == -* ]] && words=$options
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _millrace ${name}
`
}

function zsh(commands: Commands, name: string): string {
  const values = choicesOf(commands).map(({ after, choices }) => `    (${after}) compadd -- ${choices}; return ;;`)
  const words = commands.map(
    (command) => `    ('${command.path}')
      options=(${described(flagsOf(command))})
      inner=(${described(command.inner)})
      choices=(${command.choices.join(' ')}) ;;`,
  )
  return `#compdef ${name}
# Completion of ${name} for zsh: put it as _millrace into a folder of $fpath
_millrace() {
  local command_path='' word
  local -a options inner choices
  for word in \${words[2,CURRENT-1]}; do
    case "$command_path/$word" in
      (${pathsOf(commands, '|')}) command_path="$command_path/$word" ;;
    esac
  done
  case "$command_path \${words[CURRENT-1]}" in
${values.join('\n')}
    (${anyValueOf(commands)}) _files; return ;;
  esac
  case "$command_path" in
${words.join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option options
  elif (( $#inner )); then
    _describe command inner
  elif (( $#choices )); then
    compadd -a choices
  else
    _files
  fi
}
if [[ $funcstack[1] == _millrace ]]; then _millrace "$@"; else compdef _millrace ${name}; fi
`
}

function fish(commands: Commands, name: string): string {
  return `# Completion of ${name} for fish: put it into ~/.config/fish/completions/${name}.fish
function __millrace_at
    set -l path ''
    for word in (commandline -opc)[2..]
        switch "$path/$word"
            case ${pathsOf(commands, ' ')}
                set path "$path/$word"
        end
    end
    test "$path" = "$argv[1]"
end
${commands.flatMap((command) => fishCommand(command, name)).join('\n')}
`
}

function fishCommand({ path, inner, options, choices }: CompletedCommand, name: string): string[] {
  const begin = `complete -c ${name} -n "__millrace_at '${path}'"`
  const words: Word[] = [...inner, ...choices.map((choice) => ({ name: choice, description: '' }))]
  return [
    ...words.map((word) => `${begin} -f -a '${word.name}' -d '${word.description}'`),
    ...options.map((option) => `${begin} ${fishOption(option)} -d '${option.description}'`),
  ]
}

function fishOption({ flags, takesValue, choices }: CompletedOption): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ')
  if (choices.length > 0) return `${names} -x -a '${choices.join(' ')}'`
  return takesValue ? `${names} -r` : names
}

/** Patterns of all commands below the root. */
function pathsOf(commands: Commands, between: string): string {
  return quoted(
    commands.map(({ path }) => path).filter((path) => path !== ''),
    between,
  )
}

/** Patterns of what stands before a value, `/run --metrics`, with the values that there are. */
function choicesOf(commands: Commands): readonly { readonly after: string; readonly choices: string }[] {
  return commands.flatMap(({ path, options }) =>
    options
      .filter(({ choices }) => choices.length > 0)
      .map(({ flags, choices }) => ({ after: quoted(placesOf(path, flags), '|'), choices: choices.join(' ') })),
  )
}

/** Patterns of what stands before a value that may be anything. */
function anyValueOf(commands: Commands): string {
  const places = commands.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue, choices }) => takesValue && choices.length === 0)
      .flatMap(({ flags }) => placesOf(path, flags)),
  )
  return quoted(places, '|')
}

function placesOf(path: string, flags: readonly string[]): string[] {
  return flags.map((flag) => `${path} ${flag}`)
}

interface Word {
  readonly name: string
  readonly description: string
}

function flagsOf({ options }: CompletedCommand): Word[] {
  return options.flatMap(({ flags, description }) => flags.map((name) => ({ name, description })))
}

function spaced(words: readonly Word[]): string {
  return words.map(({ name }) => name).join(' ')
}

function described(words: readonly Word[]): string {
  return words.map(({ name, description }) => `'${name}:${description}'`).join(' ')
}

function quoted(words: readonly string[], between: string): string {
  return words.map((word) => `'${word}'`).join(between)
}
