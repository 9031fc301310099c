/* Loaded before the program: PAM looks for its rules in the folder of the tests. */
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

static char rules[4096];

/* What calls PAM has cleared its environment. */
__attribute__((constructor)) static void note(void)
{
    const char *folder = getenv("PAM_RULES");
    if (folder && strlen(folder) < sizeof(rules))
        strcpy(rules, folder);
}

int pam_start(const char *service, const char *user, const struct pam_conv *conversation,
              pam_handle_t **handle)
{
    return pam_start_confdir(service, user, conversation, rules, handle);
}
