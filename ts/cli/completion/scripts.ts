// The scripts for the shells. Each asks `blockpt __complete -- WORDS` what may stand at the cursor.
//
// The answer is a line for each candidate, its value and its description with a tab between, and a last one:
// `:files`, `:commands` or `:nothing`, what the shell offers where there is none; behind a tab what of the
// word stands before all that. Words are handed over as arguments: nothing that somebody typed is run.

/** What asks; not for people. */
export const ASKED = "__complete";

/** The shells, and what has to be loaded by each. */
export const SCRIPTS = { bash: bashScript(), zsh: zshScript(), fish: fishScript() } as const;

function bashScript(): string {
  return `# Completion of blockpt for bash.
_blockpt() {
  # Bash takes words apart at = and : as well; what has no blank between is one word.
  local line=\${COMP_LINE:0:COMP_POINT} words=() last=-1 index word
  for ((index = 0; index <= COMP_CWORD; index++)); do
    if [[ $index == 0 || $line == [[:blank:]]* ]]; then
      line=\${line#"\${line%%[![:blank:]]*}"}
      words[++last]=
    fi
    word=\${COMP_WORDS[index]}
    words[last]+=$word
    line=\${line#"$word"}
  done

  local answer value rest
  answer=$(blockpt ${ASKED} -- "\${words[@]:1}" 2>/dev/null) || return
  COMPREPLY=()
  while IFS=$'\\t' read -r value rest; do
    case $value in
      # With nothing in COMPREPLY bash completes files.
      :files) ;;
      :commands) while read -r value; do COMPREPLY+=("$value"); done < <(compgen -c -- "$2") ;;
      :nothing) [[ \${#COMPREPLY[@]} == 0 ]] && compopt +o default 2>/dev/null ;;
      *) [[ $value == "$2"* ]] && printf -v value %q "$value" && COMPREPLY+=("$value") ;;
    esac
  done <<<"$answer"
}
complete -o default -F _blockpt blockpt
`;
}

function zshScript(): string {
  return `#compdef blockpt
# Completion of blockpt for zsh.
_blockpt() {
  local -a answer end candidates
  local line
  answer=("\${(@f)$(blockpt ${ASKED} -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  end=("\${(@ps:\\t:)answer[-1]}")
  compset -P "\${(b)end[2]}"
  for line in "\${(@)answer[1,-2]}"; do
    candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -t values blockpt candidates && return
  case $end[1] in
    (:files) _files ;;
    (:commands) _command_names -e ;;
    (*) return 1 ;;
  esac
}
# Read by the completion system, or by somebody's .zshrc.
if [[ $funcstack[1] == _blockpt ]]; then _blockpt "$@"; else compdef _blockpt blockpt; fi
`;
}

function fishScript(): string {
  return `# Completion of blockpt for fish.
function __blockpt_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l answer (blockpt ${ASKED} -- $words[2..-1] "$word" 2>/dev/null)
    set -l end (string split \\t -- $answer[-1])
    # Fish puts an open quote before what it gets by itself.
    set -l prefix (string trim --left --chars '"\\'' -- "$end[2]")
    string replace --regex -- '^' (string escape --style=regex -- "$prefix") $answer[1..-2]
    # What fish offers behind a command that it does not know, and for a command itself.
    set -l part (string sub --start (math (string length -- "$end[2]") + 1) -- "$word")
    switch "$end[1]"
        case :files
            printf "%s\\n" $prefix(complete --do-complete "'' $part")
        case :commands
            complete --do-complete "$part"
    end
end
complete --command blockpt --no-files --arguments '(__blockpt_complete)'
`;
}
