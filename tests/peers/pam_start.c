/* Loaded before the program: PAM looks for its rules in the folder of the tests. */
#include <security/pam_appl.h>
#include <stdlib.h>

int pam_start(const char *service, const char *user, const struct pam_conv *conversation,
              pam_handle_t **handle)
{
    return pam_start_confdir(service, user, conversation, getenv("PAM_RULES"), handle);
}
