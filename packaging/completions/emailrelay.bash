# Derived from the option table.
_emailrelay() {
    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
    [ "$before" = = ] && before="${COMP_WORDS[COMP_CWORD-2]}"
    [ "$word" = = ] && { before="${COMP_WORDS[COMP_CWORD-1]}"; word=; }
    COMPREPLY=()
    case "$before" in
    -s|--spool-dir|--delivery-dir|-C|--client-auth|-S|--server-auth|-F|--pop-auth|--client-tls-certificate|--client-tls-verify|--server-tls-certificate|--server-tls-verify|--localedir|-i|--pid-file|-N|--log-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return ;;
    -q|--as-client|-y|--as-proxy|-o|--forward-to|--forward-connections|--forward-rate|--forward-per-connection|--retry-period|-O|--poll|-Y|--client-filter|-6|--client-interface|-U|--connection-timeout|--idle-timeout|-T|--response-timeout|-c|--client-smtp-config|-p|--port|--address-verifier|--dnsbl|-D|--domain|-z|--filter|-W|--filter-timeout|-I|--interface|-w|--prompt-timeout|-Z|--server-smtp-config|-M|--size|-E|--pop-port|-a|--admin|--metrics|--client-auth-config|--server-auth-config|--client-tls-server-name|--client-tls-verify-name|-9|--tls-config|-u|--user|--log-format)
        return ;;
    esac
    case "$word" in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "--as-client= --as-proxy= --as-server --spool-dir= --help --version --forward --forward-on-disconnect --forward-to= --forward-connections= --forward-rate= --forward-per-connection= --retry-period= --bounce --poll= --client-filter= --client-interface= --connection-timeout= --idle-timeout= --response-timeout= --forward-to-some --forward-to-all --client-smtp-config= --immediate --port= --remote-clients --address-verifier= --anonymous --delivery-dir= --dnsbl= --domain= --filter= --filter-timeout= --interface= --prompt-timeout= --server-smtp-config= --size= --pop --pop-by-name --pop-no-delete --pop-port= --admin= --admin-terminate --metrics= --client-auth= --client-auth-config= --server-auth= --server-auth-config= --strict-secrets --pop-auth= --client-tls --client-tls-certificate= --client-tls-connection --client-tls-required --client-tls-server-name= --client-tls-verify= --client-tls-verify-name= --server-tls --server-tls-certificate= --server-tls-connection --server-tls-required --server-tls-verify= --tls-config= --dont-serve --localedir= --no-daemon --no-smtp --pid-file= --user= --sandbox --check --verbose --log --debug --log-address --log-file= --log-format= --log-time --no-syslog --syslog --close-stderr" -- "$word")
        [[ "${COMPREPLY[*]}" == *= ]] && compopt -o nospace ;;
    *)
        mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}
complete -o filenames -F _emailrelay emailrelay
